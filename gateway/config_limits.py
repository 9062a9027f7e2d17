"""Limits of the configuration: bounds of opens, and what stops them by itself. None holds back a close."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.config_types import Model, NotNegative, Positive, Symbol, decimal_text

OnBreach = Literal["clip", "refuse"]
LOTS_AND_WORTH = ("max_order_qty_lots", "max_order_value", "price_collar_bps", "max_position_lots")
"""Bounds of one instrument, as the core names them; of two the smaller one is tighter."""
TOTALS = ("max_open_orders", "max_exposure", "max_leverage")
"""Bounds over all instruments."""
PriceWindow = tuple[Decimal, int]
"""A collar over a window: basis points, and seconds."""


class LimitSet(Model):
    """Bounds of one instrument. What is not set here is inherited; the tighter one wins."""

    max_order_qty_lots: Positive | None = None
    """Largest single order, lots. Closes beyond it are split, never blocked; so are mirrored stops."""
    max_order_value: Positive | None = None
    """Largest value of a single order, in the currency of the instrument's price, whatever others have: units
    x price, by a quote that is younger than max_age_ms, else by the leader's trade; a mirrored order by its
    own price. Closes are never blocked."""
    price_collar_bps: NotNegative | None = None
    """How far the price of an open may be from the middle of a quote that is younger than max_age_ms, basis
    points: its limit, or the leader's price for an order at the market; of a mirrored one the market's.
    Without a quote nothing is opened."""
    price_collar_window_bps: NotNegative | None = None
    """How far the price of an open may be from the lowest and from the highest quote of the last
    price_collar_window_s, basis points: in a fast market nothing is opened. Without a quote neither."""
    price_collar_window_s: int | None = Field(default=None, ge=1, le=3_600)
    """The window of price_collar_window_bps, seconds. The pairs of several scopes are never mixed: each
    holds."""
    max_position_lots: NotNegative | None = None
    """Largest position, counted from orders entered, lots. Closes are never blocked."""
    on_breach: OnBreach | None = None
    """An open beyond a bound: `clip` (cut down to the bound, default) or `refuse` (refused whole)."""


class LimitsConfig(LimitSet):
    """Bounds for every instrument, with tighter ones by follower instrument, and bounds over all of them."""

    max_open_orders: int | None = Field(default=None, ge=1, le=1_000_000)
    """Orders that are not done, of all instruments, orders. Closes count and are never blocked."""
    max_exposure: Positive | None = None
    """Worth of everything held and entered, longs and shorts added, in the currency of the follower's
    account. Without a price or an exchange rate nothing is opened."""
    max_leverage: Positive | None = None
    """The same, in equities of the follower's account. Needs its equity: from its broker, its guards, or by
    `ctl account`."""
    instruments: dict[Symbol, LimitSet] = Field(default_factory=dict)
    """Tighter bounds by follower instrument."""


class MessagesConfig(Model):
    """A message allowance: new orders and cancels. A fuse, not a queue: an open that does not fit is refused
    (`max_messages`). Closes count and are never held back."""

    per_s: int = Field(ge=1, le=100_000)
    """In the long run, messages a second."""
    burst: int = Field(ge=1, le=1_000_000)
    """At once, messages."""
    closes_percent: int = Field(default=20, ge=0, le=90)
    """Percent of `burst` that opens never take: closes find room."""

    def core(self) -> dict[str, int]:
        """As the core reads it; the share of closes is rounded up, and leaves opens one message."""
        kept = min(-(-self.burst * self.closes_percent // 100), self.burst - 1)
        return {"per_s": self.per_s, "burst": self.burst, "kept": kept}


class InactiveConfig(Model):
    """When a leader that nobody hears is inactive: its opens stop (`provider_inactive`)."""

    down_s: int | None = Field(default=None, ge=1, le=604_800)
    """Its FIX session is down for this long, seconds. Not set: however long."""
    silent_s: int | None = Field(default=None, ge=1, le=604_800)
    """No trade, quote or other message of its session for this long, seconds; heartbeats do not count. The
    message that ends the silence is copied. Not set: however long."""
    action: Literal["no_opens", "close_all"] = "no_opens"
    """`no_opens`: opens stop until it is heard again. `close_all`: what is copied of it is closed, and only a
    person lets it open again (`ctl arm --leader`)."""

    @model_validator(mode="after")
    def _bounded(self) -> InactiveConfig:
        if self.down_s is None and self.silent_s is None:
            raise PydanticCustomError(
                "needs", "set down_s, silent_s or both: without them it is never inactive"
            )
        return self

    def core(self) -> dict[str, Any]:
        """As the core reads it."""
        return {
            "down_ms": (self.down_s or 0) * 1000,
            "silent_ms": (self.silent_s or 0) * 1000,
            "action": self.action,
        }


class ClockSection(Model):
    """The machine's clock: too far from UTC, or nobody can say how far, and nothing is opened (`clock`)."""

    max_error_us: int = Field(ge=1, le=60_000_000)
    """The largest error of the clock that the kernel may admit to, microseconds. It has to be disciplined
    (chrony, ntpd, PTP): one that is not is of unknown error."""


def limit_of(limits: LimitsConfig, instrument: str) -> LimitSet:
    """The bounds of one instrument."""
    return tighter(limits, limits.instruments.get(instrument, LimitSet()))


def fold(*scopes: LimitsConfig) -> LimitsConfig:
    """Joins the bounds of several scopes; the tighter one wins, for every instrument named anywhere."""
    names = dict.fromkeys(name for scope in scopes for name in scope.instruments)
    instruments = {name: tighter(*(limit_of(scope, name) for scope in scopes)) for name in names}
    totals = {name: _least([getattr(scope, name) for scope in scopes]) for name in TOTALS}
    return LimitsConfig.model_validate({**_tighter(*scopes), **totals, "instruments": instruments})


def tighter(*sets: LimitSet) -> LimitSet:
    """The smaller of each bound; `refuse` is tighter than `clip`. Collars over windows are no single bound:
    see `price_windows`."""
    return LimitSet.model_validate(_tighter(*sets))


def price_windows(scopes: Sequence[LimitsConfig], instrument: str | None) -> list[PriceWindow]:
    """The collars over windows that hold for an instrument (none: for all without an entry), shortest window
    first. Each is a pair that stands in the file; one that another one implies is left out."""
    pairs: list[PriceWindow] = []
    for scope in scopes:
        entry = scope.instruments.get(instrument or "", LimitSet())
        pairs += _pair(scope, scope)
        if entry.price_collar_window_bps is not None or entry.price_collar_window_s is not None:
            pairs += _pair(entry, scope)
    kept: list[PriceWindow] = []
    for bps, window_s in sorted(pairs, key=lambda pair: (-pair[1], pair[0])):
        # A longer window has seen all that this one has: with no more basis points it refuses all of it.
        if all(bps < other for other, _ in kept):
            kept.append((bps, window_s))
    return kept[::-1]


def _pair(limits: LimitSet, section: LimitsConfig) -> list[PriceWindow]:
    """Both numbers; an instrument's entry has the missing one from its own section."""
    bps, window_s = limits.price_collar_window_bps, limits.price_collar_window_s
    bps = section.price_collar_window_bps if bps is None else bps
    window_s = window_s or section.price_collar_window_s
    return [] if bps is None or window_s is None else [(bps, window_s)]


def core_limits(*scopes: LimitsConfig) -> dict[str, Any]:
    """Several scopes as the core reads them: joined."""
    limits = fold(*scopes)
    return {
        "totals": {name: _text(getattr(limits, name)) for name in TOTALS},
        "default": _core_set(limits, price_windows(scopes, None)),
        "instruments": {
            name: _core_set(limit_of(limits, name), price_windows(scopes, name))
            for name in limits.instruments
        },
    }


def _tighter(*sets: LimitSet) -> dict[str, Any]:
    actions = [item.on_breach for item in sets if item.on_breach is not None]
    return {
        **{name: _least([getattr(item, name) for item in sets]) for name in LOTS_AND_WORTH},
        "on_breach": "refuse" if "refuse" in actions else ("clip" if actions else None),
    }


def _core_set(limits: LimitSet, windows: list[PriceWindow]) -> dict[str, Any]:
    bounds = {name: _text(getattr(limits, name)) for name in LOTS_AND_WORTH}
    pairs = [{"bps": decimal_text(bps), "window_ms": window_s * 1_000} for bps, window_s in windows]
    return {**bounds, "price_windows": pairs, "on_breach": limits.on_breach or "clip"}


def _text(bound: Decimal | int | None) -> str | int | None:
    return decimal_text(bound) if isinstance(bound, Decimal) else bound


def _least(values: list[Any]) -> Any:
    return min((value for value in values if value is not None), default=None)
