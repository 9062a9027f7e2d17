"""The simulated broker: its book must add up whatever it is sent, or the demo's comparison proves nothing."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sim.book import Account
from gateway.sim.broker import MS, Behaviour, Broker
from gateway.sim.reports import Dialect, Outgoing
from gateway.sim.text import Fields, decode, encode, first

SESSION = "R1"
LATER_NS = 10_000 * MS
ROUGH = Behaviour(
    reject_per_10k=1500, partial_per_10k=5000, expire_per_10k=2000, late_cancel_per_10k=5000, jitter_ms=9
)


def fix(text: str) -> Fields:
    """FIX text with `|` for SOH."""
    return decode(text.replace("|", "\x01").encode())


def broker(behaviour: Behaviour | None = None, begin_string: str = "FIX.4.4", seed: int = 1) -> Broker:
    """A broker with two accounts and one quoted symbol."""
    made = Broker(seed, [Account("F1"), Account("F2")], behaviour, Dialect(begin_string))
    made.quote("EURUSD", Decimal("1.0999"), Decimal("1.1001"), 0)
    return made


def order(cl_ord_id: str, qty: str = "10000", side: str = "1", extra: str = "") -> Fields:
    """A market order of F1."""
    return fix(f"35=D|11={cl_ord_id}|1=F1|55=EURUSD|54={side}|38={qty}|40=1|{extra}")


def life(out: list[Outgoing], tag: int = 150) -> list[str]:
    """One tag of each message."""
    return [first(m.fields, tag) for m in out]


def run(model: Broker, *messages: Fields) -> list[Outgoing]:
    """Sends all messages at time 0 and lets everything happen."""
    out: list[Outgoing] = []
    for message in messages:
        out += model.receive(SESSION, message, 0)
    return out + model.advance(LATER_NS)


def test_a_market_order_is_acknowledged_then_filled_at_the_far_side() -> None:
    """150=0, then 150=F at the ask, after the delays; quantities and position agree."""
    model = broker()
    out = run(model, order("A1"))
    assert life(out) == ["0", "F"]
    assert 0 < out[0].due_ns < out[1].due_ns
    fill = out[1].fields
    assert [first(fill, t) for t in (39, 14, 151, 32, 31)] == ["2", "10000", "0", "10000", "1.1001"]
    assert model.book.accounts["F1"].positions == {"EURUSD": Decimal(10000)}


def test_nothing_happens_before_its_time() -> None:
    """The model waits for `advance`, and says how long."""
    model = broker()
    assert model.receive(SESSION, order("A1"), 0) == []
    due_ns = model.next_due_ns()
    assert due_ns is not None
    assert model.advance(due_ns - 1) == []
    assert life(model.advance(due_ns)) == ["0"]


def test_a_repeated_client_id_is_refused_and_counted() -> None:
    """103=6, no second fill, and the book remembers that it was asked twice."""
    model = broker()
    out = run(model, order("A1"), order("A1"))
    refused = [m.fields for m in out if first(m.fields, 150) == "8"]
    assert [first(f, 103) for f in refused] == ["6"]
    assert model.book.duplicate_requests == 1
    assert model.book.accounts["F1"].positions["EURUSD"] == 10000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("35=D|11=A|1=NOBODY|55=EURUSD|54=1|38=1|40=1", "15"),
        ("35=D|11=A|1=F1|55=NOTHING|54=1|38=1|40=1", "1"),
        ("35=D|11=A|1=F1|55=EURUSD|54=1|38=0|40=1", "13"),
        ("35=D|11=A|1=F1|55=EURUSD|54=1|38=-5|40=1", "13"),
        ("35=D|11=A|1=F1|55=EURUSD|54=1|38=NaN|40=1", "13"),
        ("35=D|11=A|1=F1|55=EURUSD|54=1|38=1e30|40=1", "13"),
        ("35=D|11=A|1=F1|55=EURUSD|54=1|38=1000000000000000000000000000000|40=1", "13"),
        ("35=D|11=A|1=F1|55=EURUSD|54=7|38=1|40=1", "99"),
        ("35=D|11=A|1=F1|55=EURUSD|54=1|38=1|40=2", "99"),
        ("35=D|11=A|1=F1|55=EURUSD|54=1|38=1|40=P", "11"),
        ("35=D|1=F1|55=EURUSD|54=1|38=1|40=1", "99"),
    ],
)
def test_a_faulty_order_is_rejected_with_its_reason(text: str, reason: str) -> None:
    """OrdRejReason(103) names the fault and the book is untouched."""
    model = broker()
    out = run(model, fix(text))
    assert [(first(m.fields, 150), first(m.fields, 103)) for m in out] == [("8", reason)]
    assert not model.book.orders


def test_a_limit_rests_until_the_market_crosses_it() -> None:
    """Acknowledged at once, filled only by a quote at or through its price."""
    model = broker()
    resting = fix("35=D|11=L1|1=F1|55=EURUSD|54=1|38=1000|40=2|44=1.0900|59=1")
    assert life(run(model, resting)) == ["0"]
    assert model.quote("EURUSD", Decimal("1.0901"), Decimal("1.0902"), LATER_NS) == []
    assert life(model.quote("EURUSD", Decimal("1.0897"), Decimal("1.0899"), LATER_NS)) == ["F"]


def test_a_stop_rests_until_the_market_reaches_it() -> None:
    """A sell stop is filled at the bid that reached it, a stop-limit only within its limit."""
    model = broker()
    stop = fix("35=D|11=S1|1=F1|55=EURUSD|54=2|38=1000|40=3|99=1.0950|59=1")
    bounded = fix("35=D|11=S2|1=F1|55=EURUSD|54=2|38=1000|40=4|99=1.0950|44=1.0945|59=1")
    assert life(run(model, stop, bounded)) == ["0", "0"]
    assert model.quote("EURUSD", Decimal("1.0951"), Decimal("1.0953"), LATER_NS) == []
    fell = model.quote("EURUSD", Decimal("1.0940"), Decimal("1.0942"), LATER_NS)
    assert [(first(m.fields, 11), first(m.fields, 31), first(m.fields, 99)) for m in fell] == [
        ("S1", "1.094", "1.095")
    ]
    back = model.quote("EURUSD", Decimal("1.0948"), Decimal("1.0950"), LATER_NS)
    assert [(first(m.fields, 11), first(m.fields, 31)) for m in back] == [("S2", "1.0948")]


def test_an_immediate_limit_away_from_the_market_expires() -> None:
    """59=3 that cannot trade: 150=0 then 150=C with nothing filled."""
    model = broker()
    assert life(run(model, fix("35=D|11=L1|1=F1|55=EURUSD|54=1|38=1000|40=2|44=1.0900|59=3"))) == ["0", "C"]
    assert not model.book.executions


def test_a_fill_can_win_the_race_against_a_cancel() -> None:
    """Late cancel: the fill comes during the cancel, which is then refused with 102=0."""
    model = broker(Behaviour(late_cancel_per_10k=10_000))
    model.receive(SESSION, order("A1"), 0)
    acknowledged = model.next_due_ns()
    assert acknowledged is not None
    model.advance(acknowledged)
    cancel = fix("35=F|11=C1|41=A1|1=F1|55=EURUSD|54=1")
    out = model.receive(SESSION, cancel, acknowledged) + model.advance(LATER_NS)
    assert life(out) == ["6", "F", ""]
    assert [first(out[-1].fields, t) for t in (35, 102, 11, 41)] == ["9", "0", "C1", "A1"]


def test_a_cancel_in_time_stops_the_order() -> None:
    """150=6, then 150=4 that chains 41 to 11, and no fill."""
    model = broker()
    out = run(
        model,
        fix("35=D|11=L1|1=F1|55=EURUSD|54=1|38=1000|40=2|44=1.0900|59=1"),
        fix("35=F|11=C1|41=L1|1=F1|55=EURUSD|54=1"),
    )
    last = out[-1].fields
    assert [first(last, t) for t in (150, 39, 11, 41, 151)] == ["4", "4", "C1", "L1", "0"]
    assert not model.book.executions


def test_unknown_orders_are_answered_not_ignored() -> None:
    """F and G give 35=9 with 102=1; H gives a status of NONE; other types give 35=j."""
    model = broker()
    for kind, response_to in (("F", "1"), ("G", "2")):
        (message,) = model.receive(SESSION, fix(f"35={kind}|11=X|41=GONE|1=F1|38=5"), 0)
        assert [first(message.fields, t) for t in (35, 102, 434)] == ["9", "1", response_to]
    (status,) = model.receive(SESSION, fix("35=H|11=GONE|1=F1"), 0)
    assert [first(status.fields, t) for t in (150, 39, 37)] == ["I", "8", "NONE"]
    (reject,) = model.receive(SESSION, fix("35=Z|34=77"), 0)
    assert [first(reject.fields, t) for t in (35, 45, 372)] == ["j", "77", "Z"]


def test_a_replace_moves_the_client_id_chain() -> None:
    """150=5 with the new 11 and the old 41; later requests use the new id, the old one still finds it."""
    model = broker()
    limit = fix("35=D|11=L1|1=F1|55=EURUSD|54=1|38=1000|40=2|44=1.0900|59=1")
    out = run(model, limit, fix("35=G|11=L2|41=L1|1=F1|38=3000|44=1.0950"))
    replaced = next(m.fields for m in out if first(m.fields, 150) == "5")
    assert [first(replaced, t) for t in (11, 41, 38, 44)] == ["L2", "L1", "3000", "1.095"]
    assert model.book.find("F1", "L1") is model.book.find("F1", "L2")


def test_mass_status_lists_every_working_order_and_marks_the_last() -> None:
    """AF: one 150=I per live order of the account with 911 and 912; none gives one empty answer."""
    model = broker()
    assert [first(m.fields, 911) for m in model.receive(SESSION, fix("35=AF|584=M0|585=7|1=F1"), 0)] == ["0"]
    run(model, *(fix(f"35=D|11=L{n}|1=F1|55=EURUSD|54=1|38=1000|40=2|44=1.09|59=1") for n in range(3)))
    out = model.receive(SESSION, fix("35=AF|584=M1|585=7|1=F1"), LATER_NS)
    assert life(out) == ["I", "I", "I"]
    assert life(out, 912) == ["N", "N", "Y"]
    assert life(out, 584) == ["M1", "M1", "M1"]


def test_positions_are_reported_long_and_short_and_flat() -> None:
    """AN: 704 for a long, 705 for a short, 728=2 when nothing is held."""
    model = broker()
    (empty,) = model.receive(SESSION, fix("35=AN|710=Q1|1=F2"), 0)
    assert [first(empty.fields, t) for t in (35, 728, 710)] == ["AP", "2", "Q1"]
    run(model, order("A1", "7000", side="2"))
    (report,) = model.receive(SESSION, fix("35=AN|710=Q2|1=F1"), LATER_NS)
    assert [first(report.flat(), t) for t in (702, 703, 705, 704)] == ["1", "TQ", "7000", ""]


def test_a_bust_takes_the_position_back() -> None:
    """150=H with ExecRefID(19), CumQty reduced; a second bust of the same fill is an error."""
    model = broker()
    fill = run(model, order("A1"))[-1].fields
    (bust,) = model.bust(first(fill, 17), LATER_NS)
    assert [first(bust.fields, t) for t in (150, 19, 14, 32)] == ["H", first(fill, 17), "0", "10000"]
    assert model.book.accounts["F1"].positions["EURUSD"] == 0
    with pytest.raises(ValueError, match="no live execution"):
        model.bust(first(fill, 17), LATER_NS)


def test_fix_42_speaks_of_fills_and_busts_in_its_own_way() -> None:
    """150=2 with 20=0 for the fill, 20=1 for the bust; AF is refused with 35=j."""
    model = broker(begin_string="FIX.4.2")
    out = run(model, order("A1"))
    assert [(first(m.fields, 20), first(m.fields, 150)) for m in out] == [("0", "0"), ("0", "2")]
    (bust,) = model.bust(first(out[-1].fields, 17), LATER_NS)
    assert [first(bust.fields, t) for t in (20, 19)] == ["1", first(out[-1].fields, 17)]
    assert life(model.receive(SESSION, fix("35=AF|584=M|585=7"), 0), 35) == ["j"]


def test_an_overfill_happens_only_when_asked_for() -> None:
    """A broker told to break the rule fills one step too much; CumQty says so."""
    out = run(broker(Behaviour(overfill_per_10k=10_000)), order("A1"))
    assert first(out[-1].fields, 14) == "11000"


def test_account_values_follow_the_position() -> None:
    """BA: balance as it was, equity minus the spread just paid, free margin below equity."""
    model = broker()
    run(model, order("A1"))
    (report,) = model.account_values(SESSION, LATER_NS, ["F1"])
    assert [first(report.fields, t) for t in (35, 15, 901, 900)] == ["BA", "USD", "100000", "99999"]
    assert Decimal(first(report.fields, 899)) < 99999


actions = st.lists(
    st.tuples(
        st.sampled_from(("D", "D", "D", "L", "F", "G", "H", "AF", "Q", "again", "bust")),
        st.integers(0, 30),
        st.integers(1, 40),
        st.sampled_from(("1", "2")),
        st.integers(0, 8),
    ),
    max_size=40,
)


def drive(model: Broker, steps: list[tuple[str, int, int, str, int]]) -> list[Outgoing]:
    """Plays generated requests with time moving between them, then waits for quiet."""
    out: list[Outgoing] = []
    now_ns = 0
    for index, (what, pick, thousands, side, wait_ms) in enumerate(steps):
        now_ns += wait_ms * MS
        qty, old = thousands * 1000, f"C{pick % (index + 1)}"
        out += model.advance(now_ns)
        px = f"1.{1000 + pick - 15:04d}"
        head = f"11=C{index}|1=F1|55=EURUSD|54={side}|38={qty}"
        texts = {
            "D": f"35=D|{head}|40=1",
            "L": f"35=D|{head}|40=2|44={px}|59=1",
            "F": f"35=F|{head}|41={old}",
            "G": f"35=G|{head}|41={old}|44={px}",
            "H": f"35=H|11={old}|1=F1",
            "AF": "35=AF|584=M|585=7|1=F1",
            "again": f"35=D|11={old}|1=F1|55=EURUSD|54={side}|38={qty}|40=1",
        }
        if what in texts:
            out += model.receive(SESSION, fix(texts[what]), now_ns)
        elif what == "Q":
            out += model.quote("EURUSD", Decimal(px), Decimal(px) + Decimal("0.0002"), now_ns)
        else:
            live = [e for e in model.book.executions.values() if not e.busted]
            out += model.bust(live[pick % len(live)].exec_id, now_ns) if live else []
    return out + model.advance(now_ns + LATER_NS)


@settings(max_examples=300, deadline=None)
@given(steps=actions, seed=st.integers(0, 1000))
def test_the_book_adds_up_and_no_order_is_filled_beyond_its_quantity(
    steps: list[tuple[str, int, int, str, int]], seed: int
) -> None:
    """Sum of live fills = position per account, = CumQty per order <= OrderQty, whatever was sent."""
    model = broker(ROUGH, seed=seed)
    drive(model, steps)
    fills = [e for e in model.book.executions.values() if not e.busted]
    signed = sum((e.qty if e.side == "1" else -e.qty for e in fills), Decimal(0))
    assert model.book.accounts["F1"].positions.get("EURUSD", Decimal(0)) == signed
    for held in model.book.orders.values():
        assert held.cum_qty == sum((e.qty for e in fills if e.order_id == held.order_id), Decimal(0))
        assert held.cum_qty <= held.order_qty
    json.dumps(model.book.export())


@settings(max_examples=200, deadline=None)
@given(steps=actions, seed=st.integers(0, 1000))
def test_the_reports_alone_rebuild_the_position(
    steps: list[tuple[str, int, int, str, int]], seed: int
) -> None:
    """150=F minus 150=H, read from framed bytes, equals the book; due times never go back."""
    model = broker(ROUGH, seed=seed)
    out = drive(model, steps)
    position = Decimal(0)
    for message in out:
        fields = decode(encode("FIX.4.4", message.flat()))
        factor = {"F": 1, "H": -1}.get(first(fields, 150), 0) * (1 if first(fields, 54) == "1" else -1)
        position += factor * Decimal(first(fields, 32) or "0")
    assert position == model.book.accounts["F1"].positions.get("EURUSD", Decimal(0))
    due = [m.due_ns for m in out]
    assert due == sorted(due)


@settings(max_examples=100, deadline=None)
@given(steps=actions, seed=st.integers(0, 1000))
def test_one_seed_gives_one_life(steps: list[tuple[str, int, int, str, int]], seed: int) -> None:
    """The same inputs and seed give the same messages, byte for byte."""
    assert drive(broker(ROUGH, seed=seed), steps) == drive(broker(ROUGH, seed=seed), steps)
