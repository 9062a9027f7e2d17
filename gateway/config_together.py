"""Bounds over all followers together: what a whole deployment, or all copies of one leader, may hold."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.config_limits import LimitsConfig, LimitSet, OnBreach, core_limits
from gateway.config_types import Currency, Model, NotNegative, Positive, Symbol, decimal_text


class TogetherSet(Model):
    """Bounds of one instrument over all followers."""

    max_position_lots: NotNegative | None = None
    """Largest position of all followers together, counted from orders entered, longs and shorts apart,
    lots."""


class TogetherConfig(TogetherSet):
    """Bounds over all followers together. An open that finds no room is cut or refused; closes never are."""

    max_open_orders: int | None = Field(default=None, ge=1, le=10_000_000)
    """Orders of all followers that are not done, of all instruments, orders. Closes count and are never
    blocked."""
    max_exposure: Positive | None = None
    """Worth of everything that all followers hold and have entered, longs and shorts added, in `currency`.
    Without a price or an exchange rate nothing is opened."""
    currency: Currency | None = None
    """Currency of max_exposure."""
    max_age_ms: int = Field(default=3_600_000, ge=1, le=604_800_000)
    """Oldest quote and exchange rate that worth goes by, milliseconds. Without a quote of an instrument the
    newest trade of a leader counts."""
    on_breach: OnBreach = "clip"
    """An open beyond a bound: `clip` (cut down to what is left) or `refuse` (refused whole)."""
    instruments: dict[Symbol, TogetherSet] = Field(default_factory=dict)
    """Tighter bounds by follower instrument."""

    @model_validator(mode="after")
    def _worth_has_a_currency(self) -> TogetherConfig:
        if self.max_exposure is not None and self.currency is None:
            raise PydanticCustomError("needs", "max_exposure needs `currency`: what it is counted in")
        return self

    def limits(self) -> LimitsConfig:
        """The same as limits of one scope."""
        common = {"max_position_lots": self.max_position_lots, "on_breach": self.on_breach}
        own = {
            name: LimitSet(max_position_lots=item.max_position_lots)
            for name, item in self.instruments.items()
        }
        totals = {"max_open_orders": self.max_open_orders, "max_exposure": self.max_exposure}
        return LimitsConfig.model_validate({**common, **totals, "instruments": own})

    def core(self) -> dict[str, Any]:
        """As the core reads it."""
        limits = core_limits(self.limits())
        return {"currency": self.currency, "max_age_ms": self.max_age_ms, "limits": limits}


def together_text(bounds: TogetherConfig, instrument: str) -> str:
    """The bounds of one instrument in words; empty where there are none."""
    own = bounds.instruments.get(instrument, TogetherSet()).max_position_lots
    lots = [lots for lots in (own, bounds.max_position_lots) if lots is not None]
    parts = [f"position {decimal_text(min(lots))} lots"] if lots else []
    if bounds.max_open_orders is not None:
        parts.append(f"{bounds.max_open_orders} open orders")
    if bounds.max_exposure is not None:
        parts.append(f"worth {decimal_text(bounds.max_exposure)} {bounds.currency}")
    return f"{', '.join(parts)} ({bounds.on_breach})" if parts else ""
