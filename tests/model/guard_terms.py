"""What a guard is configured with: for the model, and as the core reads it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

CODES = {"equity_floor": "suspended_equity", "daily_loss": "daily_loss", "drawdown": "period_drawdown"}


@dataclass(frozen=True)
class GuardRule:
    """One rule; its size is decimal text, an amount of the account's currency or percent."""

    rule: str
    """equity_floor, daily_loss or drawdown."""
    size: str
    percent: bool = False
    of: str | None = None
    """Of a percentage of an equity floor: start or high_water."""
    period: str = "day"
    """Of a drawdown: day, week, month or lifetime."""
    close_all: bool = False
    auto_reset: bool = False

    @property
    def code(self) -> str:
        """The refusal's."""
        return CODES[self.rule]

    @property
    def spans(self) -> str:
        """The period that its base belongs to."""
        return {"equity_floor": "lifetime", "daily_loss": "day"}.get(self.rule, self.period)

    @property
    def climbs(self) -> bool:
        """Its base is the highest of the period, not the first."""
        return self.rule == "drawdown" or self.of == "high_water"

    def floor(self, base: Fraction) -> Fraction:
        """03: it stops at this equity."""
        size = Fraction(self.size)
        if self.percent and base <= 0:
            return base  # an account that was worth nothing from the beginning is stopped at once
        if self.rule == "equity_floor":
            return base * size / 100 if self.percent else size
        return base - (base * size / 100 if self.percent else size)

    def json(self) -> dict[str, Any]:
        """The core's terms."""
        own: dict[str, dict[str, Any]] = {
            "equity_floor": {"of": self.of} if self.of else {},
            "daily_loss": {"auto_reset": self.auto_reset},
        }
        return {
            "rule": self.rule,
            "percent" if self.percent else "amount": self.size,
            "action": "close_all" if self.close_all else "no_opens",
            **own.get(self.rule, {"period": self.period, "auto_reset": self.auto_reset}),
        }


@dataclass(frozen=True)
class Guards:
    """All rules of an account, or of a subscription."""

    zone: str
    begins_s: int
    """Seconds after local midnight."""
    max_age_ms: int
    """Oldest price of what is held."""
    rules: tuple[GuardRule, ...]

    def json(self) -> dict[str, Any]:
        """The core's terms."""
        return {
            "zone": self.zone,
            "day_begins_s": self.begins_s,
            "max_age_ms": self.max_age_ms,
            "rules": [rule.json() for rule in self.rules],
        }
