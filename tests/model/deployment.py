"""A small deployment for the model and, as JSON text, for the core: the same decimals for both."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from tests.model.filters import EVERY_ORDER, Filters
from tests.model.guard_terms import Guards
from tests.model.heard import Inactive
from tests.model.over_time import Repeated
from tests.model.terms import (
    EVERYTHING,
    MS,
    USD,
    Allowance,
    Follower,
    Instrument,
    Limits,
    Mapping,
    PriceWindow,
    Subscription,
)

LEADER_INSTRUMENTS = ("X", "Y")
OUR_INSTRUMENTS = ("A", "B")
CURRENCY = USD
"""Of everything where a test says no other one."""
NEVER_MS = 1_000_000_000_000
"""Timeouts of the delivery rules: this test is not about lost messages."""
START_MS = 1_700_000_000_000
"""When a history begins, milliseconds since 1970."""


def exact(value: Fraction) -> str:
    """The shortest decimal text of a fraction; a fraction that has none is a mistake of the test."""
    digits = next((n for n in range(40) if 10**n % value.denominator == 0), None)
    if digits is None:
        raise ValueError(f"{value} has no decimal text")
    scaled = abs(value.numerator) * (10**digits // value.denominator)
    text = str(scaled).rjust(digits + 1, "0")
    text = f"{text[:-digits]}.{text[-digits:]}" if digits else text
    return ("-" if value < 0 else "") + text


@dataclass(frozen=True)
class Lots:
    """How one instrument is traded; decimal texts, lots but for the contract."""

    contract: str
    step: str
    least_steps: int
    most_steps: int | None
    inverse: bool = False

    def instrument(self, name: str, base: str = "", currency: str = USD) -> Instrument:
        """The model's terms."""
        step = Fraction(self.step)
        most = None if self.most_steps is None else step * self.most_steps
        least, tick = step * self.least_steps, Fraction("0.01")
        contract = Fraction(self.contract)
        return Instrument(name, contract, step, least, most, tick, self.inverse, base, currency)


@dataclass(frozen=True)
class Bounds:
    """Limits of a scope, lots, money, equities; None is no bound."""

    order: str | None = None
    position: str | None = None
    refuse: bool = False
    collar_bps: str | None = None
    open_orders: int | None = None
    exposure: str | None = None
    leverage: str | None = None
    worth_age_ms: int = 1
    """Over all followers together: the oldest quote that worth goes by."""
    worth_in: str = USD
    """The same: the currency of worth."""
    value: str | None = None
    """Of one order."""
    windows: tuple[tuple[str, int], ...] = ()
    """Basis points and seconds of collars over a window."""

    def limits(self) -> Limits:
        """The model's terms."""
        return Limits(
            max_order_lots=_maybe(self.order),
            max_position_lots=_maybe(self.position),
            price_collar_bps=_maybe(self.collar_bps),
            max_open_orders=self.open_orders,
            max_exposure=_maybe(self.exposure),
            max_leverage=_maybe(self.leverage),
            refuse=self.refuse,
            worth_age_ns=self.worth_age_ms * MS,
            currency=self.worth_in,
            max_order_value=_maybe(self.value),
            price_windows=tuple(PriceWindow(Fraction(bps), s * 1_000) for bps, s in self.windows),
        )

    def json(self) -> dict[str, Any]:
        """The core's terms."""
        breach = "refuse" if self.refuse else "clip"
        bounds = {
            "max_order_qty_lots": self.order,
            "max_order_value": self.value,
            "price_windows": [{"bps": bps, "window_ms": s * 1_000} for bps, s in self.windows],
            "price_collar_bps": self.collar_bps,
            "max_position_lots": self.position,
            "on_breach": breach,
        }
        totals = {
            "max_open_orders": self.open_orders,
            "max_exposure": self.exposure,
            "max_leverage": self.leverage,
        }
        return {"totals": totals, "default": bounds, "instruments": {}}


@dataclass(frozen=True)
class Rule:
    """One subscription: numbers of leader and follower, sizing and the rest, decimal texts."""

    leader: int
    follower: int
    mode: str
    factor: str
    max_ratio: str
    rounding: str
    max_inflation: str
    reverse: bool
    both_to_a: bool
    """X and Y of the leader are both copied into A."""
    qty_factor: str
    price_factor: str
    slippage_bps: str | None
    max_age_ms: int
    account_max_age_ms: int
    bounds: Bounds
    amplification: str | None = None
    """`max_amplification`."""
    by: str = "weight"
    """With `block`, whose weight is the factor: what that is multiplied by."""
    guards: Guards | None = None
    same_name: bool = False
    """X of the leader is X of the follower too."""
    follows_busts: bool = False
    """`on_bust = "follow"`."""
    filters: Filters = EVERY_ORDER
    drift_bps: str | None = None
    """`max_drift_bps`."""
    retry_ms: int = 0
    """`retry_window_ms` of `on_reject = "retry"`."""


@dataclass(frozen=True)
class Money:
    """Currencies; what is not said is dollars."""

    instruments: tuple[tuple[str, str], ...] = (("", USD),) * 4
    """Of a unit, and of its price: X, Y, A, B."""
    accounts: tuple[tuple[str, str], ...] = ()
    """Names of accounts, and their currencies."""
    pairs: tuple[tuple[str, str, str], ...] = ()
    """More instruments, that nobody copies: name, base and currency."""


@dataclass(frozen=True)
class Deployment:
    """Everything that is decided before a history begins."""

    leaders: int
    followers: tuple[tuple[bool, Bounds], ...]
    """For each: may it not trade B, and its bounds."""
    lots: tuple[Lots, Lots, Lots, Lots]
    """X, Y, A, B."""
    rules: tuple[Rule, ...]
    positions: tuple[int, ...]
    """What each leader holds of X before, lot steps."""
    messages: tuple[Allowance | None, ...] = ()
    """Of everything, of the route, and of each follower."""
    repeated: tuple[int, int] = (0, 0)
    """So many copies of one line in so many milliseconds."""
    together: tuple[Bounds | None, ...] = ()
    """Over all followers together: of everything, and of each leader's copies."""
    guards: tuple[Guards | None, ...] = ()
    """Of each follower."""
    start_ms: int = START_MS
    silent: frozenset[str] = frozenset()
    """Instruments, and `account:value`, that nobody tells of in the beginning."""
    money: Money = Money()
    inactive: tuple[Inactive | None, ...] = ()
    """Of each leader."""

    def instruments(self) -> dict[str, Instrument]:
        """By name."""
        named = zip(LEADER_INSTRUMENTS + OUR_INSTRUMENTS, self.lots, self.money.instruments, strict=True)
        pairs = [Lots("1", "1", 1, None).instrument(*pair) for pair in self.money.pairs]
        copied = [lots.instrument(name, *currencies) for name, lots, currencies in named]
        return {one.name: one for one in copied + pairs}

    def model_currencies(self) -> dict[str, str]:
        """The model's terms."""
        return dict(self.money.accounts)

    def model_inactive(self) -> dict[str, Inactive]:
        """The model's terms."""
        return {f"l{n}": one for n, one in enumerate(self.inactive) if one}

    def model_followers(self) -> list[Follower]:
        """The model's terms."""
        return [
            Follower(f"f{n}", frozenset({"B"} if restricted else ()), bounds.limits(), self._guards(n))
            for n, (restricted, bounds) in enumerate(self.followers)
        ]

    def model_subscriptions(self) -> list[Subscription]:
        """The model's terms."""
        return [self._subscription(n, rule) for n, rule in enumerate(self.rules)]

    def model_positions(self) -> dict[tuple[str, str], Fraction]:
        """The model's terms: signed units."""
        step = self.instruments()["X"].step
        return {(f"l{n}", "X"): held * step for n, held in enumerate(self.positions)}

    def model_allowances(self) -> dict[str, Allowance]:
        """The model's terms."""
        scopes = ["everything", "r", *(f"f{n}" for n in range(len(self.followers)))]
        return {scope: a for scope, a in zip(scopes, self.messages, strict=False) if a is not None}

    def model_together(self) -> dict[str, Limits]:
        """The model's terms."""
        return {scope: bounds.limits() for scope, bounds in self._together().items()}

    def _together(self) -> dict[str, Bounds]:
        scopes = [EVERYTHING, *(f"l{n}" for n in range(self.leaders))]
        return {scope: b for scope, b in zip(scopes, self.together, strict=False) if b is not None}

    def model_repeated(self) -> Repeated:
        """The model's terms."""
        copies, window_ms = self.repeated
        return Repeated(copies, window_ms * MS)

    def _guards(self, n: int) -> Guards | None:
        return self.guards[n] if n < len(self.guards) else None

    def _subscription(self, n: int, rule: Rule) -> Subscription:
        instruments = self.instruments()
        factors = Fraction(rule.qty_factor), Fraction(rule.price_factor)
        return Subscription(
            name=f"s{n}",
            leader=f"l{rule.leader}",
            follower=f"f{rule.follower}",
            mode=rule.mode,
            factor=Fraction(rule.factor),
            max_ratio=Fraction(rule.max_ratio),
            rounding=rule.rounding,
            max_inflation=Fraction(rule.max_inflation),
            reverse=rule.reverse,
            symbols={s: Mapping(instruments[t], *factors) for s, t in _symbols(rule).items()},
            slippage_bps=_maybe(rule.slippage_bps),
            max_age_ns=rule.max_age_ms * MS,
            account_max_age_ns=rule.account_max_age_ms * MS,
            limits=rule.bounds.limits(),
            max_amplification=_maybe(rule.amplification),
            by=rule.by,
            guards=rule.guards,
            follows_busts=rule.follows_busts,
            filters=rule.filters,
            max_drift_bps=_maybe(rule.drift_bps),
            retry_ns=rule.retry_ms * MS,
        )

    def core_json(self) -> str:
        """The core's configuration."""
        timeouts = ("dispatch_timeout_ms", "ack_timeout_ms", "query_retry_ms")
        profile = {"name": "p", "begin_string": "FIX.4.4", "bust_cum": "reduced"}
        allowed = {scope: asdict(a) for scope, a in self.model_allowances().items()}
        together = {
            scope: {"currency": b.worth_in, "max_age_ms": b.worth_age_ms, "limits": b.json()}
            for scope, b in self._together().items()
        }
        copies, window_ms = self.repeated
        return json.dumps(
            {
                "deployment": "t",
                "timing": dict.fromkeys(timeouts, NEVER_MS),
                "messages": allowed.get("everything"),
                "together": together.get(EVERYTHING),
                "faults": {"repeated_copies": copies, "repeated_window_ms": window_ms},
                "profiles": [profile],
                "instruments": [_instrument(i) for i in self.instruments().values()],
                "leaders": [
                    {**self._leader(n), "together": together.get(f"l{n}")} for n in range(self.leaders)
                ],
                "routes": [{"name": "r", "session": "R", "profile": "p", "messages": allowed.get("r")}],
                "followers": [
                    {
                        **_follower(n, restricted, b),
                        "currency": self.model_currencies().get(f"f{n}", USD),
                        "messages": allowed.get(f"f{n}"),
                        "guards": _guards(self._guards(n)),
                    }
                    for n, (restricted, b) in enumerate(self.followers)
                ],
                "subscriptions": [_rule(n, rule) for n, rule in enumerate(self.rules)],
                "dispatch": "listed",
            }
        )

    def _leader(self, n: int) -> dict[str, Any]:
        held = exact(self.positions[n] * self.instruments()["X"].step)
        return {
            "name": f"l{n}",
            "session": f"L{n}",
            "profile": "p",
            "currency": self.model_currencies().get(f"l{n}", USD),
            "symbols": {name: name for name in LEADER_INSTRUMENTS},
            "assume_flat": True,
            "initial_positions": {"X": held},
            **({"inactive": rule.json()} if (rule := self.model_inactive().get(f"l{n}")) else {}),
        }


def _maybe(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def _symbols(rule: Rule) -> dict[str, str]:
    return {"X": "X" if rule.same_name else "A", "Y": "A" if rule.both_to_a else "B"}


def _instrument(i: Instrument) -> dict[str, Any]:
    return {
        "name": i.name,
        "contract_size": exact(i.contract),
        "lot_step": exact(i.step_lots),
        "min_lot": exact(i.min_lots),
        "max_lot": None if i.max_lots is None else exact(i.max_lots),
        "tick": exact(i.tick),
        "currency": i.currency,
        "inverse": i.inverse,
        **({"base": i.base} if i.base else {}),
    }


def _follower(n: int, restricted: bool, bounds: Bounds) -> dict[str, Any]:
    return {
        "name": f"f{n}",
        "route": "r",
        "account": f"f{n}",
        "symbols": {name: name for name in LEADER_INSTRUMENTS[:1] + OUR_INSTRUMENTS},
        "restricted": ["B"] if restricted else [],
        "limits": bounds.json(),
    }


def _guards(guards: Guards | None) -> dict[str, Any] | None:
    return None if guards is None else guards.json()


def _rule(n: int, rule: Rule) -> dict[str, Any]:
    keys = {"percent": "percent", "percent_equity": "percent", "fixed": "lots", "block": "weight"}
    sizing = {"mode": rule.mode, keys.get(rule.mode, "k"): rule.factor}
    if rule.mode == "block":
        sizing["by"] = rule.by
    factors = {"qty_factor": rule.qty_factor, "price_factor": rule.price_factor}
    return {
        "name": f"s{n}",
        "follower": f"f{rule.follower}",
        "leader": f"l{rule.leader}",
        "sizing": sizing,
        "guards": _guards(rule.guards),
        "max_ratio": rule.max_ratio,
        "rounding": rule.rounding,
        "max_inflation": rule.max_inflation,
        "reverse": rule.reverse,
        "symbol_map": {s: {"instrument": t, **factors} for s, t in _symbols(rule).items()},
        "order_type": "market" if rule.slippage_bps is None else "limit",
        "max_slippage_bps": rule.slippage_bps or "0",
        "max_amplification": rule.amplification,
        "filters": rule.filters.json(),
        "on_reject": "retry" if rule.retry_ms else "drop",
        "retry_window_ms": rule.retry_ms,
        "max_drift_bps": rule.drift_bps,
        "on_bust": "follow" if rule.follows_busts else "alert",
        "max_age_ms": rule.max_age_ms,
        "account_max_age_ms": rule.account_max_age_ms,
        "limits": rule.bounds.json(),
    }
