"""Deployments and histories in which blocks are dealt, accounts lose, days end, and worth runs out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tests.model.deployment import (
    LEADER_INSTRUMENTS,
    OUR_INSTRUMENTS,
    Bounds,
    Deployment,
    Rule,
)
from tests.model.guard_terms import GuardRule, Guards
from tests.model.histories import (
    ROUNDINGS,
    UNBOUNDED,
    VALUES,
    Answer,
    End,
    LeaderBook,
    Price,
    Step,
    Trade,
    Value,
    bounds,
    deployments,
)
from tests.model.lots import Undecided
from tests.model.rig import Rig
from tests.model.side_by_side import Wait

HOUR_MS = 3_600_000
PRICES = ("10", "10.5", "9.5", "11", "9", "12.5", "7")
WORTH_AGES_MS = (3_600_000, 3_600_000, 20_000, 1)
STARTS = (
    # (zone, a day with or before a change of its clock, seconds since 1970)
    ("America/New_York", 1_710_014_400),  # 2024-03-09 20:00 UTC: 02:00 becomes 03:00 eleven hours later
    ("America/New_York", 1_730_570_400),  # 2024-11-02 18:00 UTC: 01:00 to 02:00 comes twice
    ("Europe/London", 1_711_800_000),  # 2024-03-30 12:00 UTC, a Saturday before the first of a month
    ("Europe/London", 1_729_944_000),  # 2024-10-26 12:00 UTC
    ("America/Sao_Paulo", 1_541_246_400),  # 2018-11-03 12:00 UTC: the next day has no midnight
    ("Australia/Lord_Howe", 1_712_318_400),  # 2024-04-05 12:00 UTC: half an hour comes twice
    ("UTC", 1_703_930_400),  # 2023-12-30 10:00 UTC
)
BEGINS_S = (0, 0, 61_200, 43_200, 9_000, 5_400, 1_800)
"""Days begin at midnight, 17:00, noon, and at times that clock changes leave out or give twice."""


@dataclass(frozen=True)
class FillAt:
    """Brokers fill everything, or one order, at a price."""

    which: int | None
    px: str

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Fills it."""
        live = list(rig.live) if self.which is None else rig.live[self.which % max(1, len(rig.live)) :][:1]
        for order in live:
            if order in rig.live:
                rig.fill(order, order.leaves, self.px)


@dataclass(frozen=True)
class Paid:
    """Money is paid in or out."""

    account: int
    amount: str

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Tells it."""
        rig.deposit(f"f{self.account % len(rig.deployment.followers)}", self.amount)


@dataclass(frozen=True)
class Arm:
    """A person releases a follower."""

    account: int

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Releases it."""
        rig.arm(f"f{self.account % len(rig.deployment.followers)}")


def guard_rules(amounts_only: bool) -> st.SearchStrategy[GuardRule]:
    """Rules of an account, or of a subscription, which has amounts only; so near that they bind."""
    flag = st.booleans()
    loss = {"size": st.sampled_from(("5", "20", "60")), "close_all": flag}
    part = {"size": st.sampled_from(("1", "3.5", "10")), "percent": st.just(True), "close_all": flag}
    period = st.sampled_from(("day", "day", "week", "month", "lifetime"))

    def drawdown(sizes: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[GuardRule]:
        one = st.builds(GuardRule, st.just("drawdown"), period=period, auto_reset=flag, **sizes)
        return one.map(lambda r: replace(r, auto_reset=False) if r.period == "lifetime" else r)

    daily = st.just("daily_loss")
    own = [st.builds(GuardRule, daily, auto_reset=flag, **loss), drawdown(loss)]
    if amounts_only:
        return st.one_of(own)
    floor, base = st.just("equity_floor"), st.sampled_from((None, "start", "high_water"))
    of_part = st.sampled_from(("80", "95", "99"))
    return st.one_of(
        *own,
        st.builds(GuardRule, daily, auto_reset=flag, **part),
        drawdown(part),
        st.builds(GuardRule, floor, st.sampled_from(("790", "700")), close_all=flag),
        st.builds(GuardRule, floor, of_part, percent=st.just(True), of=base, close_all=flag),
    )


@st.composite
def guards(draw: st.DrawFn, zone: str, amounts_only: bool = False) -> Guards:
    """Of an account or of a subscription."""
    return Guards(
        zone=zone,
        begins_s=draw(st.sampled_from(BEGINS_S)),
        max_age_ms=draw(st.sampled_from((604_800_000, 3_600_000, 60_000, 60_000))),
        rules=tuple(draw(st.lists(guard_rules(amounts_only), min_size=1, max_size=3, unique=True))),
    )


@st.composite
def plainer(draw: st.DrawFn) -> Deployment:
    """A deployment most of whose rules copy one to one, so that something is held. There is no largest lot:
    hundreds of parts of an order show nothing here."""
    drawn = draw(deployments())
    x, y, a, b = drawn.lots
    mostly = st.sampled_from((True, True, True, False))

    def plain(rule: Rule) -> Rule:
        factor, factors = draw(st.sampled_from(("1", "2", "0.5"))), draw(st.sampled_from(("1", "1.25")))
        return replace(
            rule, mode="multiplier", factor=factor, rounding="toward_zero", max_ratio=UNBOUNDED,
            price_factor=factors, slippage_bps=None, max_age_ms=60_000, bounds=Bounds(), amplification=None,
        )  # fmt: skip

    return replace(
        drawn,
        lots=(x, y, replace(a, most_steps=None), replace(b, most_steps=None)),
        rules=tuple(plain(rule) if draw(mostly) else rule for rule in drawn.rules),
        followers=tuple((no, Bounds() if draw(mostly) else limits) for no, limits in drawn.followers),
        messages=(),
        repeated=(0, 0),
        together=(),
        silent=draw(silences(len(drawn.followers))),
    )


@st.composite
def guarded(draw: st.DrawFn) -> Deployment:
    """Accounts and subscriptions with guards; some accounts without an equity, some prices unknown."""
    plain = draw(plainer())
    zone, start_s = draw(st.sampled_from(STARTS))
    mostly = st.sampled_from((True, True, False))
    return replace(
        plain,
        start_ms=start_s * 1_000,
        guards=tuple(draw(guards(zone)) if draw(mostly) else None for _ in plain.followers),
        rules=tuple(
            replace(rule, guards=draw(st.none() | guards(zone, amounts_only=True))) for rule in plain.rules
        ),
    )


def silences(followers: int) -> st.SearchStrategy[frozenset[str]]:
    """What nobody tells of in the beginning."""
    names = [f"f{n}:{kind}" for n in range(followers) for kind in VALUES]
    names += LEADER_INSTRUMENTS + OUR_INSTRUMENTS
    return st.just(frozenset[str]()) | st.frozensets(st.sampled_from(names), max_size=4)


@st.composite
def divided(draw: st.DrawFn) -> Deployment:
    """Blocks, alone and beside other rules."""
    plain = draw(deployments())
    ours = plain.lots[2]
    followers = tuple((no, draw(st.just(Bounds()) | st.just(b))) for no, b in plain.followers)
    factor = draw(st.sampled_from(("1", "1", "2", "0.1")))
    alike = [(draw(st.booleans()), draw(st.sampled_from(("weight", *VALUES)))) for _ in range(2)]
    members = st.builds(
        Rule,
        leader=st.sampled_from(range(plain.leaders)),
        follower=st.sampled_from(range(len(followers))),
        mode=st.just("block"),
        factor=st.sampled_from(("1", "1", "2", "3", "0.7", "50", "12.5")),
        max_ratio=st.just(UNBOUNDED),
        rounding=st.sampled_from(ROUNDINGS),
        max_inflation=st.just("3"),
        reverse=st.just(False),
        both_to_a=st.booleans(),
        qty_factor=st.just(factor),
        price_factor=st.sampled_from(("1", "0.01")),
        slippage_bps=st.sampled_from((None, None, None, "7")),
        max_age_ms=st.sampled_from((60_000, 60_000, 60_000, 1_000)),
        account_max_age_ms=st.sampled_from((3_600_000, 20_000)),
        bounds=st.sampled_from((True, False, False)).flatmap(
            lambda some: bounds() if some else st.just(Bounds())
        ),
    )
    listed = draw(st.lists(members, min_size=2, max_size=4))
    rules = [replace(r, reverse=alike[r.leader][0], by=alike[r.leader][1]) for r in listed]
    return replace(
        plain,
        followers=followers,
        lots=(plain.lots[0], plain.lots[1], ours, ours),
        rules=(*rules, *draw(st.just(()) | st.just(plain.rules[:1]))),
        messages=(),
        silent=draw(silences(len(followers))),
    )


@st.composite
def shared(draw: st.DrawFn) -> Deployment:
    """Bounds of worth over all followers together."""
    plain = draw(plainer())
    worth = st.builds(
        Bounds,
        position=st.sampled_from((None, None, None, "9")),
        refuse=st.sampled_from((False, False, True)),
        open_orders=st.sampled_from((None, None, None, 6)),
        exposure=st.sampled_from(("55", "120.5", "300", "1000")),
        worth_age_ms=st.sampled_from(WORTH_AGES_MS),
    )
    unknown = st.sampled_from((frozenset[str](), frozenset("A"), frozenset("AB"), frozenset("AX")))
    return replace(
        plain,
        silent=draw(unknown),
        together=tuple(draw(st.none() | worth) if n else draw(worth) for n in range(1 + plain.leaders)),
    )


def money_steps(
    prices: tuple[str, ...] = PRICES, more: tuple[tuple[int, st.SearchStrategy[Step]], ...] = ()
) -> st.SearchStrategy[list[Step]]:
    """A history with prices that move, money that comes and goes, days that end, and steps of other kinds."""
    small, px = st.sampled_from((0, 1, 2, 3, 4, 5)), st.sampled_from(prices)
    trade = st.builds(
        Trade,
        leader=small,
        instrument=st.sampled_from((0, 0, 1)),
        which=small,
        buy=st.sampled_from((True, True, False)),
        steps=st.sampled_from((1, 2, 3, 5, 7, 10, 20)),
        order_steps=st.sampled_from((5, 10, 30)),
        age_ms=st.sampled_from((0,) * 9 + (5_000, 61_000)),
        px=px,
        kind=st.sampled_from(("trade",) * 9 + ("status",)),
        dated=st.just(True),
        before_steps=st.just(0),
    )
    kind = st.sampled_from(("equity", *VALUES))
    amount = st.sampled_from(("800", "750", "1000", "690", "0"))
    ended = st.sampled_from(("rejected", "canceled", "expired"))
    short = st.sampled_from((1, 300, 600, 5_000, 61_000))
    long = st.sampled_from((1, 5, 11, 24, 24, 24 * 8, 24 * 32)).map(lambda hours: hours * HOUR_MS)
    parts: list[tuple[int, st.SearchStrategy[Step]]] = [
        (8, trade),
        (5, st.builds(FillAt, st.none() | small, px)),
        (5, st.builds(Price, instrument=st.sampled_from((0, 2, 2, 2, 3)), px=px)),
        (2, st.builds(Wait, ms=short)),
        (3, st.builds(Wait, ms=long)),
        (
            2,
            st.builds(Value, leader=st.just(False), account=small, kind=kind, amount=amount),
        ),
        (1, st.builds(Paid, account=small, amount=st.sampled_from(("100", "-50", "-300", "0.01")))),
        (1, st.builds(Arm, account=small)),
        (1, st.builds(End, which=small, how=ended)),
        (1, st.builds(Answer)),
        *more,
    ]
    listed = [part for weight, part in parts for _ in range(weight)]
    one = st.sampled_from(range(len(listed))).flatmap(lambda n: listed[n])
    return st.sampled_from((10, 25, 40)).flatmap(lambda n: st.lists(one, min_size=n, max_size=n))


def play_money(deployment: Deployment, history: list[Step]) -> Counter[str]:
    """Tells both sides a history; the interesting states that it came to."""
    with Rig(deployment) as rig:
        leaders = [LeaderBook(f"l{n}") for n in range(deployment.leaders)]
        accounts = [
            *(f"l{n}" for n in range(deployment.leaders)),
            *(f"f{n}" for n in range(len(deployment.followers))),
        ]
        for account in accounts:
            for kind in VALUES:
                if f"{account}:{kind}" not in deployment.silent:
                    rig.value(account, kind, "1000" if account[0] == "l" else "800")
        for name in LEADER_INSTRUMENTS + OUR_INSTRUMENTS:
            if name not in deployment.silent:
                rig.quote(name, "10")
        for leader in rig.model.watched():
            rig.session(leader, True)
        try:
            for step in history:
                step.play(rig, leaders)
        except Undecided:
            rig.model.reached["ended undecided"] += 1
        return rig.model.reached
