"""What the reference model is told and what it answers.

Quantities are units of the instrument unless a name ends in `_lots`; prices are in the instrument's currency;
times are nanoseconds. A sign is +1 for buy or long and -1 for sell or short. Every number is a Fraction or an
int.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from tests.model.filters import EVERY_ORDER, Filters
from tests.model.guard_terms import Guards

if TYPE_CHECKING:
    from tests.model.past import Past

ZERO = Fraction(0)
MS = 1_000_000
"""Nanoseconds in a millisecond."""


def sign_of(value: Fraction) -> int:
    """-1, 0 or 1, by the numerator: it is asked for all the time, and fractions are compared slowly."""
    return (value.numerator > 0) - (value.numerator < 0)


EVERYTHING = "everything"
"""The scope of what counts all followers together."""


USD = "USD"
"""The currency of everything that says no other one."""


@dataclass(frozen=True)
class PriceWindow:
    """How far a price may be from any quote of so many milliseconds."""

    bps: Fraction
    window_ms: int


@dataclass(frozen=True)
class Instrument:
    """One tradable thing. The smallest change, smallest and largest order are in lots."""

    name: str
    contract: Fraction
    """Units in one lot."""
    step_lots: Fraction
    min_lots: Fraction
    max_lots: Fraction | None
    tick: Fraction
    inverse: bool = False
    """A long of `units` that was entered at `e` has won units x (1/e - 1/p) at a price `p` (ADR 0036)."""
    base: str = ""
    """The currency of a unit, where it has one; and the one that it is worth its price in."""
    currency: str = USD

    def worth(self, px: Fraction) -> Fraction:
        """What one unit is worth at a price."""
        return 1 / px if self.inverse else px

    def won(self, units: Fraction, entry: Fraction, px: Fraction) -> Fraction:
        """What signed units that were entered at one price have won at another."""
        return units * (1 / entry - 1 / px) if self.inverse else units * (px - entry)

    def entry(self, units: Fraction, entry: Fraction, more: Fraction, px: Fraction) -> Fraction:
        """The price at which all units cost what these and those did at their own."""
        if self.inverse:
            return (units + more) / (units / entry + more / px)
        return (units * entry + more * px) / (units + more)

    @property
    def step(self) -> Fraction:
        """Smallest change of quantity, units."""
        return self.step_lots * self.contract

    @property
    def least(self) -> Fraction:
        """Smallest order, units."""
        return self.min_lots * self.contract


@dataclass(frozen=True)
class Limits:
    """Bounds of opens (03); None is no bound."""

    max_order_lots: Fraction | None = None
    max_position_lots: Fraction | None = None
    price_collar_bps: Fraction | None = None
    max_open_orders: int | None = None
    max_exposure: Fraction | None = None
    max_leverage: Fraction | None = None
    refuse: bool = False
    """`on_breach = "refuse"`: an open beyond a bound is not cut but refused whole."""
    worth_age_ns: int = 0
    """Over all followers together: the oldest quote that worth goes by."""
    currency: str = USD
    """The same: what worth is counted in."""
    max_order_value: Fraction | None = None
    """In the instrument's currency."""
    price_windows: tuple[PriceWindow, ...] = ()


@dataclass(frozen=True)
class Allowance:
    """How many messages may go out."""

    per_s: int
    burst: int
    kept: int
    """Of the burst, what opens never take."""


@dataclass(frozen=True)
class Mapping:
    """One leader instrument at the follower."""

    instrument: Instrument
    qty_factor: Fraction
    """Follower units per leader unit, before sizing."""
    price_factor: Fraction


@dataclass(frozen=True)
class Subscription:
    """One follower copying one leader."""

    name: str
    leader: str
    follower: str
    mode: str
    factor: Fraction
    """k, percent, or lots, as the mode says."""
    max_ratio: Fraction
    """Largest follower lots per leader lot."""
    rounding: str
    max_inflation: Fraction
    reverse: bool
    symbols: dict[str, Mapping]
    slippage_bps: Fraction | None
    """None is market orders, else limit orders at this distance from the leader's price."""
    max_age_ns: int
    account_max_age_ns: int
    limits: Limits
    max_amplification: Fraction | None = None
    by: str = "weight"
    """With `block`: what the factor is multiplied by."""
    guards: Guards | None = None
    follows_busts: bool = False
    """`on_bust = "follow"`; else a person decides."""
    filters: Filters = EVERY_ORDER
    max_drift_bps: Fraction | None = None
    retry_ns: int = 0
    """How long a rejected open is tried again; 0: it is dropped."""


@dataclass(frozen=True)
class Follower:
    """An account that copies."""

    name: str
    restricted: frozenset[str]
    limits: Limits
    guards: Guards | None = None


@dataclass(frozen=True)
class Report:
    """One ExecutionReport of a leader's broker. `kind` is new, trade, status, canceled, bust or correct."""

    leader: str
    instrument: str
    order: str
    exec_id: str
    kind: str
    sign: int
    order_qty: Fraction
    last_qty: Fraction
    cum_qty: Fraction
    px: Fraction | None
    transact_ns: int | None
    tif: str | None = None
    """TimeInForce(59); None: it says none."""
    ref: str | None = None
    """ExecRefID(19): the trade that a bust takes back, or that a correction makes `last_qty`."""
    tags: tuple[tuple[int, str], ...] = ()
    """Fields beside those that the rules read."""


@dataclass(frozen=True)
class New:
    """An order that must go out, with its number in the order of making."""

    number: int
    follower: str
    instrument: str
    sign: int
    qty: Fraction
    px: Fraction | None
    opens: bool


@dataclass(frozen=True)
class Cancel:
    """The cancel of an order of ours."""

    number: int
    follower: str


Action = New | Cancel


@dataclass
class Window:
    """A part of the target that is not entered yet, and until when it may be."""

    until_ns: int
    qty: Fraction


@dataclass
class Order:
    """An order of ours that is not terminal."""

    number: int
    sign: int
    leaves: Fraction
    opens: bool
    windows: list[Window]
    """Of an open: how much of it had to be sent until when, oldest first."""
    canceling: bool = False


@dataclass
class Execution:
    """A trade of the leader's that has a name, and what it is worth now."""

    name: str
    qty: Fraction


@dataclass
class LeaderOrder:
    """What is known of one leader order (02 step 1)."""

    known: Fraction
    order_qty: Fraction
    last_ns: int | None = None
    """The newest TransactTime(60) of its reports."""
    frozen: bool = False
    tif: str = "0"
    """TimeInForce(59), as the last report that says one; a day order until then."""
    amended: bool = False
    """One of its executions was taken back: from then on its reports count by LastQty(32)."""
    execs: dict[str, Execution] = field(default_factory=dict)
    """By ExecID(17)."""
    unexplained: Fraction = ZERO
    """Counted by CumQty alone: its trade reports are on their way, or lost."""
    missed: Fraction = ZERO
    """Filled before anybody listened, not against the leader's position: its part of an amount is gone."""


@dataclass
class Sized:
    """What one leader order is worth to one line, frozen at its first increase that can be sized."""

    rate: Fraction | None = None
    amount: Fraction | None = None
    used: Fraction = ZERO
    missed: Fraction | None = None
    """What the order had filled before it was copied; none once that has been used up."""
    begun: Fraction = ZERO
    """What that was, or what another day has left of an amount that was used up: no execution's."""
    used_up: bool = False
    """Nothing was left of its amount of another day."""
    date: int = 0
    """The trade date of the freeze, days since 1970."""


@dataclass
class Line:
    """One subscription and leader instrument."""

    subscription: Subscription
    leader_instrument: Instrument
    mapping: Mapping
    target: Fraction = ZERO
    filled: Fraction = ZERO
    orders: list[Order] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    needless: list[Window] = field(default_factory=list)
    """What works against the position and should not: it may still fill, and is wanted again then."""
    asked: Fraction = ZERO
    """What the leader's report that is being worked added to the target, and the end of its window."""
    asked_until_ns: int = 0
    open_until_ns: int = 0
    """The end of the newest window on the target's side."""
    closing: bool = False
    """A target below the smallest lot closes all that is held, also when less than it is left."""
    declined: bool = False
    """Something was refused or lost since the last increase: what is left of it asks for no smallest lot."""
    sized: dict[str, Sized] = field(default_factory=dict)
    leader_px: Fraction | None = None
    copied_ns: list[int] = field(default_factory=list)
    """When it was copied by itself."""
    repeated: bool = False
    """It was copied too often: nothing is opened until a person has looked."""
    seen: int = 0
    """How many reports there were when a leader first traded its instrument; 0: never."""
    rejects: int = 0
    """Closes that the broker did not take since a fill."""
    open_rejects: int = 0
    """Opens that are tried again, and were not taken since a fill."""
    pause_until_ns: int = 0
    open_pause_until_ns: int = 0
    stuck: bool = False
    """Less than the smallest lot is left, and the broker does not take it: `stuck_residue`."""
    past: Past | None = None
    """How the target came about, where busts are followed."""
    held: bool = False
    """An execution was taken back, and a person has to say what comes of it."""

    @property
    def key(self) -> tuple[str, str]:
        """Names of subscription and leader instrument."""
        return self.subscription.name, self.leader_instrument.name

    @property
    def instrument(self) -> Instrument:
        """What the follower trades."""
        return self.mapping.instrument

    def used_of(self, order: str) -> Fraction:
        """What is used up of the amount that a leader order is worth."""
        return self.sized[order].used if order in self.sized else ZERO

    def asks(self, now_ns: int) -> bool:
        """A leader's increase still asks for an open."""
        return self.open_until_ns > now_ns and not self.declined and not self.held

    def working(self, sign: int) -> Fraction:
        """Leaves of our non-terminal orders of one side, in full where a cancel is unanswered (02 State)."""
        return sum((order.leaves for order in self.orders if order.sign == sign), ZERO)

    def to_close(self, sign: int) -> Fraction:
        """Units held that orders of this side would close, and no close on its way will."""
        return ZERO if self.stuck else self.unclosed(sign)  # it holds back no open (ADR 0012)

    def unclosed(self, sign: int) -> Fraction:
        """The same, also where the broker does not take it."""
        closing = sum((o.leaves for o in self.orders if o.sign == sign and not o.opens), ZERO)
        return max(ZERO, -sign * self.filled - closing)

    def flatten(self) -> None:
        """The target is 0 at once, and all that it was to be."""
        self.pause_until_ns = 0 if self.target else self.pause_until_ns
        self.target = ZERO
        self.windows, self.needless = [], []

    @property
    def committed(self) -> Fraction:
        """Filled plus working on the target's side, signed (02 State)."""
        side = sign_of(self.target)
        return self.filled + side * self.working(side) if side else self.filled
