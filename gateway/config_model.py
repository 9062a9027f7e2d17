"""The whole configuration: who copies whom, how much, within which limits."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr

from gateway.config_alerts import AlertsSection
from gateway.config_guards import GuardsConfig
from gateway.config_limits import ClockSection, InactiveConfig, LimitsConfig, MessagesConfig
from gateway.config_sections import (
    CoreSection,
    FaultsSection,
    GatewaySection,
    ReconcileSection,
    SessionConfig,
    SwitchSection,
    TimingSection,
)
from gateway.config_together import TogetherConfig
from gateway.config_types import (
    Currency,
    Dec,
    FilePath,
    FixText,
    Listed,
    Model,
    Name,
    NotNegative,
    Positive,
    Share,
    Symbol,
)
from gateway.config_watch import WatchSection

FOLLOWERS_MAX = 20_000
"""Twice what the memory budget is measured for; more belongs into a second deployment."""
SECTIONS_MAX = 1_000
"""Sessions, leaders and routes: each is a connection or a process."""


class InstrumentConfig(Model):
    """One tradable thing at one venue."""

    contract_size: Positive
    """Units in one lot."""
    lot_step: Positive
    """Smallest change of quantity, lots."""
    min_lot: Positive
    """Smallest order, lots. A multiple of lot_step."""
    max_lot: Positive | None = None
    """Largest order that the venue takes, lots. A multiple of lot_step, at least min_lot."""
    tick: Positive
    """Smallest change of price, in what the price counts."""
    base: Currency | None = None
    """Currency of one unit, where it has one (EUR of EURUSD). To convert values; `inverse` needs it."""
    currency: Currency
    """Currency of the price (USD of EURUSD); of an inverse contract what it is settled in (XBT of XBTUSD)."""
    inverse: bool = False
    """A unit is worth 1 / price in `currency`, and is of the price's own currency: 100 and USD of XBTUSD."""


class LeaderConfig(Model):
    """An account that is copied."""

    session: Name
    """FIX session its reports arrive on."""
    account: FixText | None = None
    """Account text in the reports. Not set: every report of the session is this leader's, and at a broker
    where followers have accounts `check` cannot see whether it is one of them: it warns of circles."""
    currency: Currency | None = None
    """Currency of its account values. Needed by sizing modes that compare accounts."""
    symbols: dict[Symbol, Symbol] | None = None
    """Symbol(55) text of the venue = instrument. Not set: every instrument under its own name."""
    assume_flat: bool = False
    """The account holds nothing when copying starts. Not set: copying waits for a position report. Of an
    instrument that is mapped later it says nothing: `initial_positions`, or a position report, does."""
    initial_positions: dict[Symbol, Dec] = Field(default_factory=dict)
    """Signed units held when copying starts, by instrument. Each number counts once: it is no news when it is
    read again."""
    follower: Name | None = None
    """The follower that is the same account, when a copy is copied again. Lets `check` refuse circles. Not
    set: it is one where both have one broker, TargetCompID(56), and one account text there."""
    limits: LimitsConfig = LimitsConfig()
    """Bounds of every subscription to this leader."""
    inactive: InactiveConfig | None = None
    """When nobody has heard it for too long. Not set: never."""
    together: TogetherConfig | None = None
    """Bounds over all followers that copy it together. Not set: each follower has its own only."""


class RouteConfig(Model):
    """A way to a follower's broker: one FIX session in a process of its own."""

    session: Name
    """FIX session of the route."""
    public_key_file: FilePath | None = None
    """CURVE public key of the route. Needed when core.bind is tcp://. Relative to this file."""
    secret_key_file: FilePath | None = None
    """CURVE secret key of the route, readable by its owner only. Relative to this file."""
    messages: MessagesConfig | None = None
    """How many messages it may send. Not set: as many as there are."""
    reserve: Name | None = None
    """The route that takes new orders while this one ails: another session to the same accounts."""
    switch: SwitchSection = SwitchSection()
    """When new orders go by the reserve, and when they come back."""


class FollowerConfig(Model):
    """An account that copies."""

    route: Name
    """Route of its orders."""
    account: FixText | None = None
    """Account text on its orders. Needed unless the venue's profile says that an account has no text."""
    currency: Currency | None = None
    """Currency of its account values. Needed by sizing modes that compare accounts."""
    symbols: dict[Symbol, Symbol] | None = None
    """Symbol(55) text of the venue = instrument. Not set: every instrument under its own name."""
    restricted: Listed[Symbol] = ()
    """Instruments that it may not open."""
    limits: LimitsConfig = LimitsConfig()
    """Bounds over all its subscriptions."""
    messages: MessagesConfig | None = None
    """How many messages its orders may be. Not set: as many as there are."""
    on_break: Literal["alert", "no_opens", "adopt", "close", "ignore"] = "alert"
    """What happens by itself when its broker reports another position than ours. A person is told anyway."""
    guards: GuardsConfig | None = None
    """At which loss copying to it stops. Rules of `guards` for every follower stay in force beside them."""


class ByFactor(Model):
    """Sizing by a plain factor."""

    mode: Literal["multiplier", "lots_multiplier"]
    """`multiplier`: k units per leader unit. `lots_multiplier`: k lots per leader lot."""
    k: Positive
    """Factor, above 0."""


class ByPercent(Model):
    """Sizing by a percentage of the leader's units."""

    mode: Literal["percent"]
    """percent / 100 units per leader unit."""
    percent: Positive
    """Percent of the leader's quantity, above 0; 100 = the same units."""


class ByLots(Model):
    """The same lots for every leader order."""

    mode: Literal["fixed"]
    """`lots` for each leader order that opens, however it fills."""
    lots: Positive
    """Lots per leader order, above 0."""


class ByAccounts(Model):
    """Sizing by comparing the follower's account with the leader's."""

    mode: Literal["equity", "balance", "free_margin", "notional"]
    """k x follower's value / leader's value; `notional`: k x leader's / follower's contract value."""
    k: Positive
    """Factor, above 0."""


class ByEquityShare(Model):
    """A share of the follower's equity for every leader order."""

    mode: Literal["percent_equity"]
    """percent of the follower's equity, as notional, for each leader order that opens."""
    percent: Positive
    """Percent of equity, above 0."""


class ByBlock(Model):
    """A part of the leader's quantity, which is divided lot by lot among all that copy it by `block`."""

    mode: Literal["block"]
    """All of the leader's quantity goes to its block, each lot to the member furthest behind its weight."""
    weight: Positive = Decimal(1)
    """Weight among the members, above 0."""
    by: Literal["weight", "equity", "balance", "free_margin"] = "weight"
    """The weight is multiplied by nothing, or by a value of the follower's account. One for all members."""


Sizing = Annotated[
    ByFactor | ByPercent | ByLots | ByAccounts | ByEquityShare | ByBlock, Field(discriminator="mode")
]
OUTSIDE_MODES = frozenset({"equity", "balance", "free_margin", "notional"})
"""Modes whose ratio comes from numbers that others send: a wrong one must not size an order unbounded."""
AMOUNT_MODES = frozenset({"fixed", "percent_equity"})
"""Modes that give an amount for each leader order: there is no ratio to bound."""
UNBOUNDED_MODES = AMOUNT_MODES | {"block"}
"""Modes whose size is an amount, or a part of the leader's own quantity: a ratio bounds nothing."""
COMPARING_MODES = OUTSIDE_MODES - {"notional"}
"""Modes that divide the follower's value by the leader's, so both need a currency."""
ACCOUNT_MODES = COMPARING_MODES | {"percent_equity"}
"""Modes that need account values."""


class SymbolMap(Model):
    """One leader instrument at the follower's venue."""

    instrument: Symbol
    """Follower instrument."""
    qty_factor: Positive = Decimal(1)
    """Follower units per leader unit, before sizing."""
    price_factor: Positive = Decimal(1)
    """Follower price per leader price."""


Tag = Annotated[tuple[Annotated[int, Field(ge=1, le=999_999)], FixText], Field(strict=False)]
"""A field of a report and its text."""


class FiltersConfig(Model):
    """Opens that are left out. Closes are never filtered."""

    instruments: Listed[Symbol] | None = None
    """Leader instruments that are copied. Not set: all that are mapped."""
    side: Literal["both", "long", "short"] = "both"
    """Sides of the leader's position that are copied."""
    min_order_qty: NotNegative = Decimal(0)
    """Smallest leader order that is copied, units."""
    tags: Listed[Tag] = ()
    """Fields that a leader report must carry: [[TAG, "value"], …]."""


class SubscriptionConfig(Model):
    """One follower copying one leader with one sizing rule."""

    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_<-]{0,64}$")
    """Name, unique in the deployment. Not set: FOLLOWER<LEADER."""
    follower: Name
    """Who copies."""
    leader: Name
    """Who is copied."""
    sizing: Sizing
    """How much: { mode = "…", and the numbers of that mode }."""
    max_ratio: Positive | None = None
    """Largest follower lots per leader lot, `qty_factor` included. Mandatory where the ratio comes from
    account values or quotes. An amount (`fixed`, `percent_equity`) is bounded by `max_order_qty_lots`."""
    capital_share: Share | None = None
    """Its part of the follower's account, above 0 and at most 1: sizing by account values, and its
    `max_leverage`, count by so much of them. Not set: all of it."""
    rounding: Literal["toward_zero", "nearest", "hold", "min_lot_if_nonzero"] = "toward_zero"
    """From target to lots."""
    max_inflation: Positive = Decimal(3)
    """Largest min_lot / target that `min_lot_if_nonzero` accepts."""
    reverse: bool = False
    """Buy what the leader sells."""
    symbol_map: dict[Symbol, SymbolMap] = Field(default_factory=dict)
    """Leader instrument = { instrument, qty_factor, price_factor }. Others keep their name."""
    filters: FiltersConfig = FiltersConfig()
    """Opens that are left out."""
    order_type: Literal["market", "limit"] = "market"
    """Opening orders: `market`, or `limit` (IOC) at the leader's price and max_slippage_bps."""
    max_slippage_bps: NotNegative = Decimal(0)
    """Distance of a limit open from the leader's price, basis points. 0 = the leader's price. A close at a
    venue without market orders begins this far beyond the market (10 for 0), twice as far each time."""
    max_drift_bps: NotNegative | None = None
    """How far the price of the leader's instrument may have moved against the follower since the leader's
    trade, basis points, by a quote of it that is younger than max_age_ms. Without one nothing is opened. Not
    set: any price. A mirrored order is no copy of a trade, and is not asked."""
    max_amplification: Positive | None = None
    """Largest copy: this many times the leader's position, units with `qty_factor`. Positions are compared,
    not orders; what his mirrored orders may still fill is his. Not set: any size."""
    max_age_ms: int = Field(default=60_000, ge=1, le=86_400_000)
    """Oldest leader trade that is opened, milliseconds. Closes are never too old."""
    account_max_age_ms: int = Field(default=3_600_000, ge=1, le=604_800_000)
    """Oldest account value or quote that sizes an open, milliseconds."""
    on_bust: Literal["alert", "follow"] = "alert"
    """A bust of a leader's trade, or a correction of its quantity: `alert` holds the target until an operator
    decides, `follow` works it out again without that trade, or with the corrected one, by the ratios and
    refusals of then. Not for `block` and mirrors."""
    on_reject: Literal["drop", "retry"] = "drop"
    """The missing part of a rejected open: `drop`, or `retry` inside retry_window_ms."""
    retry_window_ms: int = Field(default=0, ge=0, le=3_600_000)
    """How long a rejected open is tried again, milliseconds. Needs on_reject = "retry"."""
    joining: Literal["flat", "target"] = "flat"
    """What a new subscription does with what its leader holds already: `flat` copies what comes, `target`
    opens it once, by the same sizing and limits as any open."""
    leaving: Literal["keep", "close_now", "close_with_leader"] | None = None
    """It leaves: nothing is opened any more, and its position stays (`keep`), is closed at once
    (`close_now`), or as the leader closes his (`close_with_leader`). Its name stays in the file."""
    copy_: Literal["fills", "orders"] = Field(default="fills", alias="copy")
    """What is copied: `fills`, what the leader's orders fill; `orders`, his working orders as well."""
    copy_stops: bool = False
    """With `copy = "fills"`: the leader's stops that close his position rest at the follower's broker too,
    stop-limits as well, each for the share of what is held that it has of the leader's position."""
    ahead: Literal["close", "keep"] = "close"
    """With `copy = "orders"`, what the follower's order filled beyond the leader's when that ended: `close`,
    or `keep` while the leader holds a position on its side."""
    leader_filled: Literal["none", "market_after_s", "cancel_after_s"] = "none"
    """With `copy = "orders"`, what the follower's order has not filled when the leader's ended: `none` lets
    it work on; after leader_filled_s it is cancelled, and the rest opened at the market or given up."""
    leader_filled_s: int = Field(default=0, ge=0, le=86_400)
    """When `leader_filled` acts, seconds after the end of the leader's order."""
    stop_multiplier: Positive = Decimal(1)
    """With `copy_stops` or `copy = "orders"`, distance of a protective stop from the leader's average entry,
    in distances of his own. Above 1 it seldom acts: the leader's fills first, and closes the follower."""
    limits: LimitsConfig = LimitsConfig()
    """Bounds of this subscription."""
    guards: GuardsConfig | None = None
    """At which loss of its own orders, realised and floating, it stops: `daily_loss` and `drawdown`, as an
    `amount` in the currency of the follower's account. What it leaves out is as in the follower's guards."""

    @property
    def label(self) -> str:
        """The name, or FOLLOWER<LEADER."""
        return self.name or f"{self.follower}<{self.leader}"

    @property
    def mirrors(self) -> bool:
        """Some of the leader's working orders have one of the follower's beside them."""
        return self.copy_ == "orders" or self.copy_stops


class GatewayConfig(Model):
    """A whole deployment, checked: every name resolves and every lot is possible."""

    gateway: GatewaySection
    """The deployment: its name, folders and durability."""
    timing: TimingSection = TimingSection()
    """Timeouts of the delivery rules."""
    faults: FaultsSection = FaultsSection()
    """Faults that stop a follower's opens by themselves."""
    reconcile: ReconcileSection = ReconcileSection()
    """How often followers' positions are compared with their brokers'."""
    core: CoreSection = CoreSection()
    """The core process: sockets and patience."""
    watch: WatchSection = WatchSection()
    """From when on a process says that it is not well."""
    sessions: dict[Name, SessionConfig] = Field(min_length=1, max_length=SECTIONS_MAX)
    """FIX sessions by name."""
    leaders: dict[Name, LeaderConfig] = Field(min_length=1, max_length=SECTIONS_MAX)
    """Accounts that are copied."""
    routes: dict[Name, RouteConfig] = Field(min_length=1, max_length=SECTIONS_MAX)
    """Ways to follower brokers."""
    followers: dict[Name, FollowerConfig] = Field(min_length=1, max_length=FOLLOWERS_MAX)
    """Accounts that copy."""
    instruments: dict[Symbol, InstrumentConfig] = Field(min_length=1, max_length=FOLLOWERS_MAX)
    """What is traded."""
    subscriptions: Listed[SubscriptionConfig] = Field(min_length=1, max_length=4 * FOLLOWERS_MAX)
    """Who copies whom."""
    limits: LimitsConfig = LimitsConfig()
    """Bounds of every follower account and every subscription."""
    together: TogetherConfig | None = None
    """Bounds over all followers together. Not set: each follower has its own only."""
    guards: GuardsConfig | None = None
    """At which loss copying to an account stops: for every follower."""
    messages: MessagesConfig | None = None
    """How many messages all routes together may send. Not set: as many as there are."""
    clock: ClockSection | None = None
    """How far the machine's clock may be from UTC. Not set: it is not asked."""
    alerts: AlertsSection = AlertsSection()
    """Who is told of alerts, beside the log."""

    _file: Path = PrivateAttr(default=Path("gateway.toml"))
    _profiles: dict[str, dict[str, Any]] = PrivateAttr(default_factory=dict)

    def attach(self, file: Path, profiles: dict[str, dict[str, Any]]) -> None:
        """Remembers where the file lies and which profiles it uses; called by the reader only."""
        self._file = file
        self._profiles = profiles

    @property
    def file(self) -> Path:
        """The file this was read from, absolute."""
        return self._file

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self._file.parent

    @property
    def state_dir(self) -> Path:
        """The state folder, absolute."""
        return self.resolve(self.gateway.state_dir)

    def resolve(self, path: Path) -> Path:
        """A path of the file, absolute."""
        return (self.folder / path).resolve()

    @property
    def profiles(self) -> dict[str, dict[str, Any]]:
        """The venue profiles in use, by name, as the core reads them."""
        return self._profiles

    def profile_of(self, session: str) -> dict[str, Any]:
        """The venue profile of a session."""
        return self._profiles[self.sessions[session].profile]

    def leader_sessions(self) -> dict[str, SessionConfig]:
        """The sessions that the core process runs, by name."""
        used = {leader.session for leader in self.leaders.values()}
        return {name: session for name, session in self.sessions.items() if name in used}

    def route_session(self, route: str) -> tuple[str, SessionConfig]:
        """Name and settings of the session that a route process runs."""
        name = self.routes[route].session
        return name, self.sessions[name]

    def core_bind(self) -> str:
        """The address that the core's ROUTER binds."""
        return self._ipc("core") if self.core.bind == "ipc" else self.core.bind

    def core_connect(self) -> str:
        """The address that a route's DEALER connects to."""
        return self.core.connect or self.core_bind()

    def observers_bind(self) -> str | None:
        """The address of the PUB stream of decisions; None when it is off."""
        if self.core.observers == "off":
            return None
        return self._ipc("observers") if self.core.observers == "ipc" else self.core.observers

    def _ipc(self, name: str) -> str:
        return f"ipc://{self.state_dir / 'run' / name}.ipc"
