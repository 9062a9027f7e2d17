"""Equity guards of the configuration: at which loss copying to an account stops."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.config_types import Listed, Model, Positive, decimal_text

RULES_MAX = 16
"""Rules of one account; each is asked at every open."""
HUNDRED = Decimal(100)


def _zone(name: str) -> str:
    # The core's own data says which zones there are: a machine may have none.
    from gateway._fastcore import time_zone_known

    if not time_zone_known(name):
        raise PydanticCustomError(
            "zone", "no such time zone: write an IANA name, such as UTC or Europe/London"
        )
    return name


class GuardRule(Model):
    """What every rule has: a floor of the equity, and what happens there."""

    amount: Positive | None = None
    """The floor, or the loss, as an amount in the account's currency."""
    percent: Positive | None = Field(default=None)
    """The same in percent, below 100. One of amount and percent is set."""
    action: Literal["no_opens", "close_all"] = "no_opens"
    """At the floor: `no_opens` (closes go on), or `close_all` (opens are cancelled, everything is closed)."""

    @model_validator(mode="after")
    def _one_size(self) -> GuardRule:
        if (self.amount is None) == (self.percent is None):
            raise PydanticCustomError("size", "a guard has an amount or a percent, and not both")
        if self.percent is not None and self.percent >= HUNDRED:
            raise PydanticCustomError("size", "percent of a guard must be below 100")
        return self


class EquityFloor(GuardRule):
    """Copying stops at this equity."""

    rule: Literal["equity_floor"]
    """Stops at an amount of equity, or at a percentage of a base."""
    of: Literal["start", "high_water"] | None = None
    """Of a percentage: of the first equity that was known (`start`), or of the highest (`high_water`)."""

    @model_validator(mode="after")
    def _base(self) -> EquityFloor:
        if self.of is not None and self.percent is None:
            raise PydanticCustomError("size", "`of` is the base of a percent: an amount has none")
        return self


class DailyLoss(GuardRule):
    """Copying stops when this much was lost since the day began."""

    rule: Literal["daily_loss"]
    """Stops at a loss since the equity of the day's beginning."""
    auto_reset: bool = False
    """The next day releases it. Not set: a person does."""


class Drawdown(GuardRule):
    """Copying stops when this much was lost since the highest equity of a period."""

    rule: Literal["drawdown"]
    """Stops at a loss since the highest equity of the period."""
    period: Literal["day", "week", "month", "lifetime"] = "day"
    """Days begin at day_begins, weeks with the day of Monday, months with that of the first."""
    auto_reset: bool = False
    """The next period releases it. Not set: a person does."""

    @model_validator(mode="after")
    def _ends(self) -> Drawdown:
        if self.auto_reset and self.period == "lifetime":
            raise PydanticCustomError("period", "a lifetime has no next period: leave out auto_reset")
        return self


AnyRule = Annotated[EquityFloor | DailyLoss | Drawdown, Field(discriminator="rule")]


class GuardsConfig(Model):
    """What stops copying to an account that loses too much. Closes are never held back."""

    zone: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_zone)] = "UTC"
    """Time zone of days, weeks and months: an IANA name."""
    day_begins: str = Field(default="00:00", pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    """Local time at which a day begins, HH:MM. From 12:00 on it belongs to the next date."""
    max_age_ms: int = Field(default=3_600_000, ge=1, le=604_800_000)
    """Oldest price of what is held, and oldest exchange rate. Without a younger one nothing is opened."""
    rules: Listed[AnyRule] = Field(max_length=RULES_MAX)
    """The rules; each of them stops copying by itself."""

    @model_validator(mode="after")
    def _some(self) -> GuardsConfig:
        # Not a bound of the field: where each rule has a mistake, "none" would be one more.
        if not self.rules:
            raise PydanticCustomError("size", "guards without rules guard nothing")
        return self

    @property
    def day_begins_s(self) -> int:
        """Seconds after midnight."""
        hours, minutes = self.day_begins.split(":")
        return 3600 * int(hours) + 60 * int(minutes)


def rule_text(rule: AnyRule) -> str:
    """One rule in words: `daily loss 5 %, close_all`."""
    size = (
        f"{decimal_text(rule.percent)} %"
        if rule.percent is not None
        else decimal_text(rule.amount or HUNDRED)
    )
    if isinstance(rule, EquityFloor):
        text = f"equity floor {size}" + (f" of {rule.of or 'start'}" if rule.percent is not None else "")
    elif isinstance(rule, DailyLoss):
        text = f"daily loss {size}"
    else:
        text = f"drawdown {size} a {rule.period}"
    return text + (", close_all" if rule.action == "close_all" else "")
