"""The simulated broker as a hedging one: positions stand side by side, and a close names its own."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sim.book import Account
from gateway.sim.broker import Behaviour, Broker
from gateway.sim.market import DEMO_INSTRUMENTS
from gateway.sim.reports import Outgoing
from gateway.sim.scenario import HedgingScenario
from gateway.sim.text import Fields, decode, first

LATER_NS = 10**10


def broker(**behaviour: int) -> Broker:
    """A hedging broker with one account and one quoted symbol."""
    made = Broker(1, [Account("F1")], Behaviour(hedging=True, **behaviour))  # type: ignore[arg-type]
    made.quote("EURUSD", Decimal("1.0999"), Decimal("1.1001"), 0)
    return made


def fix(text: str) -> Fields:
    """FIX text with `|` for SOH."""
    return decode(text.replace("|", "\x01").encode())


def trade(made: Broker, cl_ord_id: str, side: int, qty: int, position: str = "") -> list[Outgoing]:
    """A market order and all that becomes of it."""
    named = f"721={position}|" if position else ""
    text = f"35=D|11={cl_ord_id}|1=F1|55=EURUSD|54={side}|38={qty}|40=1|{named}"
    return made.receive("R1", fix(text), 0) + made.advance(LATER_NS)


def tickets(made: Broker) -> list[int]:
    """Signed units of every position."""
    return [int(units) for _, units in made.book.accounts["F1"].tickets.values()]


def opened(made: Broker, cl_ord_id: str, side: int, qty: int) -> str:
    """The id of a new position."""
    return first(trade(made, cl_ord_id, side, qty)[-1].fields, 721)


def test_an_order_without_a_name_opens_a_position_of_its_own() -> None:
    """The other way too: on a hedging account it closes nothing."""
    made = broker()
    ids = {opened(made, "a", 1, 3000), opened(made, "b", 2, 3000)}
    assert (len(ids), tickets(made)) == (2, [3000, -3000])
    assert made.book.accounts["F1"].positions["EURUSD"] == 0


def test_a_named_order_takes_from_its_position() -> None:
    """In parts, and then it is gone."""
    made = broker()
    one, other = opened(made, "a", 1, 3000), opened(made, "b", 1, 2000)
    trade(made, "c", 2, 2000, one)
    assert tickets(made) == [1000, 2000]
    trade(made, "d", 2, 1000, one)
    assert tickets(made) == [2000]
    assert first(trade(made, "e", 2, 2000, other)[-1].fields, 39) == "2"
    assert tickets(made) == []


@pytest.mark.parametrize(("side", "qty", "name"), [(2, 3001, ""), (1, 1, ""), (2, 1, "T999")])
def test_a_close_of_too_much_or_of_nothing_is_rejected(side: int, qty: int, name: str) -> None:
    """Too large, on the position's own side, or of a position that nobody knows."""
    made = broker()
    position = opened(made, "a", 1, 3000)
    answer = trade(made, "b", side, qty, name or position)
    assert [first(one.fields, 150) for one in answer] == ["8"]
    assert "POSITION_NOT_FOUND" in first(answer[0].fields, 58)
    assert tickets(made) == [3000]


def test_of_two_closes_that_are_too_much_together_one_is_cancelled() -> None:
    """Both were taken while the position was whole; it is closed once."""
    made = broker()
    position = opened(made, "a", 1, 3000)
    for name in ("b", "c"):
        made.receive("R1", fix(f"35=D|11={name}|1=F1|55=EURUSD|54=2|38=2000|40=1|721={position}|"), LATER_NS)
    ends = [first(one.fields, 39) for one in made.advance(2 * LATER_NS)]
    assert sorted(ends)[-2:] == ["2", "4"]
    assert tickets(made) == [1000]


def test_a_bust_moves_the_position_of_its_order() -> None:
    """Of a close: it is there again, under its name."""
    made = broker()
    position = opened(made, "a", 1, 3000)
    close = trade(made, "b", 2, 3000, position)
    report = made.bust(first(close[-1].fields, 17), LATER_NS)
    assert first(report[0].fields, 721) == position
    assert tickets(made) == [3000]


def test_each_position_is_reported_under_its_name() -> None:
    """Two of one symbol are two reports."""
    made = broker()
    ids = {opened(made, "a", 1, 3000), opened(made, "b", 1, 3000)}
    said = made.receive("R1", fix("35=AN|710=Q|1=F1|"), LATER_NS)
    assert {first(one.fields, 721) for one in said} == ids
    assert {first(one.fields, 727) for one in said} == {"2"}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from((1, 2)), st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=20
    )
)
def test_positions_add_up_to_the_account(orders: list[tuple[int, int, int]]) -> None:
    """Whatever is opened and closed: their sum is what the symbol's position is."""
    made = broker(partial_per_10k=5000)
    for number, (side, lots, which) in enumerate(orders):
        names = ["", *made.book.accounts["F1"].tickets]
        trade(made, f"o{number}", side, lots * 1000, names[which % len(names)])
    held = made.book.accounts["F1"].positions.get("EURUSD", Decimal(0))
    assert sum(tickets(made)) == held


@pytest.mark.parametrize("seed", range(5))
def test_the_leader_holds_pairs_and_ends_with_nothing(seed: int) -> None:
    """His closes name what they close and never exceed it; what is left is closed position by position."""
    made = broker(partial_per_10k=5000)
    instruments = tuple(one for one in DEMO_INSTRUMENTS if one.name == "EURUSD")
    account = made.book.accounts["F1"]
    leader = HedgingScenario(seed, instruments, account.tickets)
    pairs = 0
    for number in range(200):
        one = leader.next_trade(account.positions)
        sent = trade(made, f"o{number}", int(one.side), int(one.qty), one.position_id)
        assert first(sent[-1].fields, 39) == "2", one
        pairs += len({units > 0 for units in tickets(made)}) == 2
        assert len(tickets(made)) <= HedgingScenario.TICKETS_MAX
    assert pairs > 20
    for number, one in enumerate(leader.flatten(account.positions)):
        trade(made, f"f{number}", int(one.side), int(one.qty), one.position_id)
    assert tickets(made) == []
