"""Which opens a subscription leaves out (02 "What is copied": opens only)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.model.terms import LeaderOrder, Report


@dataclass(frozen=True)
class Filters:
    """For the model, and as the core reads it; decimal texts."""

    instruments: tuple[str, ...] | None = None
    side: str = "both"
    """Of the leader's position: both, long or short."""
    min_order_qty: str = "0"
    """Smallest leader order, units."""
    tags: tuple[tuple[int, str], ...] = ()
    """Fields that a report of the leader must carry."""

    def leave_out(self, r: Report, order: LeaderOrder) -> str | None:
        """Why an increase is not copied; None: it is."""
        if self.instruments is not None and r.instrument not in self.instruments:
            return "instrument"
        if self.side != "both" and (r.sign > 0) != (self.side == "long"):
            return "side"
        if order.order_qty < Fraction(self.min_order_qty):
            return "smallest order"
        return None if set(self.tags) <= set(r.tags) else "tags"

    def json(self) -> dict[str, Any]:
        """The core's terms."""
        return {
            "instruments": None if self.instruments is None else list(self.instruments),
            "side": self.side,
            "min_order_qty": self.min_order_qty,
            "tags": [list(tag) for tag in self.tags],
        }


EVERY_ORDER = Filters()
