"""Another configuration over a recording: what differs is the configurations' doing, and nothing else's."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from gateway._fastcore import ConfigError
from gateway.config import load
from gateway.sim.text import encode
from gateway.whatif import notes
from tests.unit.config_text import GOOD, changed, write
from tests.unit.whatif_rig import (
    BEGIN,
    SECOND_NS,
    T0_NS,
    Recording,
    compiled,
    part_of,
    played,
    report_of,
    side,
)

HALF = 'sizing = { mode = "multiplier", k = "0.5" }'


@pytest.fixture
def day(tmp_path: Path) -> Recording:
    """A leader who opens, adds, takes off, turns and closes two instruments, at quotes that move."""
    told = Recording(tmp_path)
    told.operator("account", account="alpha", equity="100000")
    told.operator("account", account="f2", equity="50000")
    for units, bid, ask in (
        (100_000, "1.1", "1.1002"), (50_000, "1.101", "1.1012"), (-70_000, "1.102", "1.1022"),
        (-130_000, "1.103", "1.1032"), (50_000, "1.104", "1.1042"),
    ):  # fmt: skip
        told.quote(bid, ask)
        told.trade(units, ask if units > 0 else bid)
    told.trade(100, "2000.5", "GOLD")
    told.trade(-40, "2010.25", "GOLD")
    return told


def test_the_same_configuration_makes_no_difference_at_all(day: Recording) -> None:
    """Both sides are one function of the recording: every count, quantity and amount is equal."""
    report = report_of(day.path, compiled(day.folder / "new"))
    assert report["old"] == report["new"]
    assert report["old"]["orders"] > 10
    found = played(day, GOOD)
    assert not found.differing
    assert side(found.total.old).positions == {"GOLD": 6}
    assert (found.changes("alerts"), found.changes("refusals"), report["unknown"]) == ({}, {}, [])


def test_the_same_call_gives_the_same_bytes_whatever_is_read_at_once(day: Recording) -> None:
    """Nothing of a clock, a hash order or a batch is in the result."""
    config = compiled(day.folder / "new", changed(HALF, 'sizing = { mode = "percent", percent = 33 }'))
    reports = [report_of(day.path, config, step=step) for step in (1_024, 1, 3, 1_024)]
    assert all(json.dumps(one) == json.dumps(reports[0]) for one in reports[1:])


def test_twice_the_multiplier_opens_twice_the_lots_and_earns_twice_as_much(day: Recording) -> None:
    """A rate scales everything; the follower whose rule stays is not touched."""
    found = played(day, changed(HALF, 'sizing = { mode = "multiplier", k = 1 }'))
    part = part_of(found, "f1")
    old, new = side(part.old), side(part.new)
    for what in ("opened", "positions", "realised", "floating"):
        before, after = getattr(old, what), getattr(new, what)
        assert after == {name: 2 * value for name, value in before.items()}, what
        assert any(before.values()), what
    assert [one.name for one in found.differing] == ["f1"]


def test_profit_and_loss_are_what_a_person_works_out(tmp_path: Path) -> None:
    """Bought at the ask, sold at the bid, by average cost; what is held at the price that would close it."""
    told = Recording(tmp_path)
    told.quote("1.1", "1.1002")
    told.trade(100_000, "1.1001")
    told.quote("1.2", "1.2002")
    told.trade(100_000, "1.2001")
    told.quote("1.3", "1.3002")
    told.trade(-100_000, "1.3")
    told.quote("1.25", "1.2502")
    numbers = side(part_of(played(told, GOOD), "f1").new)
    cost = (Fraction("1.1002") + Fraction("1.2002")) / 2
    assert numbers.opened == {"EURUSD": 1}
    assert numbers.positions == {"EURUSD": Fraction("0.5")}
    assert numbers.realised == {"USD": 50_000 * (Fraction("1.3") - cost)}
    assert numbers.floating == {"USD": 50_000 * (Fraction("1.25") - cost)}


def test_an_inverse_contract_earns_in_what_it_is_settled_in(tmp_path: Path) -> None:
    """50,000 dollars cost 1 at 50,000 and 1.25 at 40,000; half of it is sold for 0.625, half is worth 0.5."""
    linear, inverse = 'base = "EUR"\ncurrency = "USD"', 'base = "USD"\ncurrency = "XBT"\ninverse = true'
    text = changed(linear, inverse)
    told = Recording(tmp_path, text)
    for units, px in ((100_000, "50000"), (100_000, "40000"), (-100_000, "80000"), (0, "100000")):
        told.quote(px, px)
        if units:
            told.trade(units, px)
    numbers = side(part_of(played(told, text), "f1").new)
    assert numbers.positions == {"EURUSD": Fraction("0.5")}
    assert numbers.realised == {"XBT": Fraction("0.5")}
    assert numbers.floating == {"XBT": Fraction("0.625")}


def test_without_a_fresh_quote_the_leaders_own_price_is_the_market(tmp_path: Path) -> None:
    """A quote of a minute ago is no price of now; one that is younger than his trade is the better word."""
    told = Recording(tmp_path)
    told.quote("1.1", "1.1002")
    told.wait(120)
    told.trade(100_000, "1.5")
    told.trade(-50_000, "1.6")
    told.quote("1.7", "1.7002")
    told.trade(-50_000, "9")
    numbers = side(part_of(played(told, GOOD), "f1").new)
    earned = 25_000 * (Fraction("1.6") - Fraction("1.5")) + 25_000 * (Fraction("1.7") - Fraction("1.5"))
    assert numbers.realised == {"USD": earned}


@pytest.mark.parametrize(("quote_last", "mark"), [(True, "1.7"), (False, "1.5")])
def test_of_an_old_quote_and_an_old_trade_the_younger_is_the_market(
    tmp_path: Path, quote_last: bool, mark: str
) -> None:
    """What is held is worth what was heard last, where nothing is fresh."""
    told = Recording(tmp_path)
    if not quote_last:
        told.quote("1.7", "1.7002")
        told.wait(120)
    told.trade(100_000, "1.5")
    if quote_last:
        told.quote("1.7", "1.7002")
    told.wait(120)
    told.operator("account", account="f1", equity="1")
    numbers = side(part_of(played(told, GOOD), "f1").new)
    assert numbers.floating == {"USD": 50_000 * (Fraction(mark) - Fraction("1.5"))}


def test_what_is_due_between_two_rows_happens_at_its_own_time(tmp_path: Path) -> None:
    """An open is tried again after half a second, before a quote would fill it."""
    told = Recording(tmp_path)
    told.quote("1.1020", "1.1022")
    told.trade(100_000, "1.1")
    told.quote("1.1", "1.1002")
    told.wait(3)
    told.operator("account", account="f1", equity="1")
    rule = 'order_type = "limit"\nmax_slippage_bps = 10\non_reject = "retry"\nretry_window_ms = 30000'
    text = changed(HALF, f"{HALF}\n{rule}").replace('profile = "plain"', 'profile = "copygate44"')
    found = played(told, text.replace('profiles_dir = "profiles"\n', ""))
    numbers = side(part_of(found, "f1").new)
    assert (numbers.orders, numbers.positions) == (3, {"EURUSD": Fraction("0.5")})


def test_a_tighter_limit_names_its_refusals(day: Recording) -> None:
    """Refused whole, or cut: the code and how often, and what was not opened."""
    refuse = changed(
        'account = "F1"\n', 'account = "F1"\nlimits = { max_position_lots = "0.6", on_breach = "refuse" }\n'
    )
    part = part_of(played(day, refuse), "f1")
    assert side(part.old).refusals == {}
    assert side(part.new).refusals == {"max_position": 2}
    assert side(part.new).opened["EURUSD"] < side(part.old).opened["EURUSD"]
    clip = refuse.replace(', on_breach = "refuse"', "")
    cut = side(part_of(played(day, clip), "f1").new)
    assert cut.refusals == {"max_position": 2}
    assert side(part.new).opened["EURUSD"] < cut.opened["EURUSD"] < side(part.old).opened["EURUSD"]


def test_sizing_by_account_values_takes_those_that_were_recorded(day: Recording) -> None:
    """Half of the leader's equity copies half; with twice the factor all; without values nothing."""
    found = played(day, changed('mode = "equity", k = 1', 'mode = "equity", k = 2'))
    part, leader = part_of(found, "f2"), Fraction("2.0")
    assert side(part.old).opened["EURUSD"] == leader / 2
    assert side(part.new).opened["EURUSD"] == leader
    unknown = side(part_of(played(day, changed('mode = "equity"', 'mode = "balance"')), "f2").new)
    assert unknown.opened == {}
    assert unknown.refusals == {"stale_account": 4}


def test_what_a_followers_broker_said_of_its_account_is_played(tmp_path: Path) -> None:
    """A CollateralReport comes over the follower's route; the new configuration has it on another one."""
    told = Recording(tmp_path)
    told.operator("account", account="alpha", equity="100000")
    body = [
        (35, "BA"),
        (908, "C1"),
        (910, "3"),
        (1, "F2"),
        (15, "USD"),
        (899, "1"),
        (900, "25000"),
        (901, "1"),
    ]
    told.route("r2", "R2").says(body)
    told.trade(100_000)
    moved = changed('[followers.f2]\nroute = "r2"', '[followers.f2]\nroute = "r1"')
    part = part_of(played(told, moved), "f2")
    assert side(part.old).positions == side(part.new).positions == {"EURUSD": Fraction("0.25")}


def test_what_the_brokers_really_did_stands_beside_it(tmp_path: Path) -> None:
    """Part fills at their own prices, a reject, and what is on its way come from the recording alone."""
    told = Recording(tmp_path)
    line = told.route("r1", "R1")
    told.trade(100_000, "1.1")
    (order,) = line.orders()
    line.answers(order, "F", "20000", "20000", "1.11")
    line.answers(order, "F", "50000", "30000", "1.12")
    told.trade(-50_000, "1.3")
    (order,) = line.orders()
    line.answers(order, "F", "25000", "25000", "1.29")
    told.trade(50_000, "1.4")
    (order,) = line.orders()
    line.answers(order, "8", "0")
    told.trade(50_000, "1.5")
    assert len(line.orders()) == 1
    part = part_of(played(told, GOOD), "f1")
    recorded, cost = side(part.recorded), (20_000 * Fraction("1.11") + 30_000 * Fraction("1.12")) / 50_000
    assert (recorded.orders, recorded.refusals) == (4, {"broker_reject": 1})
    assert (recorded.opened, recorded.positions) == (
        {"EURUSD": Fraction("0.5")}, {"EURUSD": Fraction("0.25")},
    )  # fmt: skip
    assert recorded.realised == {"USD": 25_000 * (Fraction("1.29") - cost)}
    assert recorded.floating == {"USD": 25_000 * (Fraction("1.5") - cost)}
    assert side(part.new).opened == {"EURUSD": Fraction("1")}
    assert not part.differs


def test_what_was_sent_before_from_and_filled_behind_it_counts(tmp_path: Path) -> None:
    """The recorded follower is not flat at --from: what it holds then earns from the price of then."""
    told = Recording(tmp_path)
    line = told.route("r1", "R1")
    told.trade(100_000, "1.1")
    line.answers(line.orders()[0], "F", "50000", "50000", "1.11")
    told.trade(-100_000, "1.2")
    (close,) = line.orders()
    told.wait(10)
    line.answers(close, "F", "50000", "50000", "1.3")
    recorded = side(part_of(played(told, GOOD, told.now_ns - SECOND_NS), "f1").recorded)
    assert (recorded.orders, recorded.positions) == (0, {})
    assert recorded.realised == {"USD": 50_000 * (Fraction("1.3") - Fraction("1.2"))}


def test_a_fill_that_a_broker_took_back_makes_recorded_amounts_unknown(tmp_path: Path) -> None:
    """The position follows the bust; what was earned cannot be told from the fills, so nothing is told."""
    told = Recording(tmp_path)
    line = told.route("r1", "R1")
    told.trade(100_000, "1.1")
    (order,) = line.orders()
    line.answers(order, "F", "20000", "20000", "1.11")
    line.answers(order, "F", "50000", "30000", "1.12")
    line.answers(order, "H", "20000", "30000", "1.12", ref="X1")
    recorded = side(part_of(played(told, GOOD), "f1").recorded)
    assert recorded.positions == recorded.opened == {"EURUSD": Fraction("0.2")}
    assert (recorded.realised, recorded.floating) == ({"USD": None}, {"USD": None})


def test_a_limit_that_the_market_has_left_is_not_filled(tmp_path: Path) -> None:
    """An open at the leader's price plus slippage expires where the quote is beyond."""
    told = Recording(tmp_path)
    told.quote("1.1020", "1.1022")
    told.trade(100_000, "1.1")
    told.trade(-100_000, "1.1")
    limit = changed(HALF, HALF + '\norder_type = "limit"\nmax_slippage_bps = 10')
    both = limit.replace('profile = "plain"', 'profile = "copygate44"').replace(
        'profiles_dir = "profiles"\n', ""
    )
    part = part_of(played(told, both), "f1")
    assert (side(part.old).opened, side(part.old).orders) == ({"EURUSD": Fraction("0.5")}, 2)
    assert (side(part.new).opened, side(part.new).orders) == ({}, 1)
    wider = part_of(played(told, both.replace("max_slippage_bps = 10", "max_slippage_bps = 30")), "f1")
    assert side(wider.new).opened == {"EURUSD": Fraction("0.5")}


def test_a_guard_of_the_new_configuration_counts_what_paper_lost(tmp_path: Path) -> None:
    """Between two account values paper fills move equity; the stop is its own, and a recorded arm ends it."""
    told = Recording(tmp_path)
    told.operator("account", account="f1", equity="10000")
    told.quote("1.1", "1.1002")
    told.trade(100_000)
    told.quote("1.05", "1.0502")
    told.trade(100_000)
    told.operator("account", account="f1", equity="20000")
    told.operator("arm", follower="f1")
    told.trade(100_000)
    guarded = changed(
        'account = "F1"\n',
        'account = "F1"\nguards = { rules = [{ rule = "equity_floor", amount = 9000 }] }\n',
    )
    part = part_of(played(told, guarded), "f1")
    old, new = side(part.old), side(part.new)
    assert (old.refusals, new.refusals) == ({}, {"suspended_equity": 1})
    assert (old.positions, new.positions) == ({"EURUSD": Fraction("1.5")}, {"EURUSD": Fraction("1")})


def test_a_clock_that_was_not_measured_is_taken_for_right_and_said(tmp_path: Path) -> None:
    """A rule for it would refuse everything of a recording without one; what was measured is played."""
    clocked = GOOD + "\n[clock]\nmax_error_us = 1000\n"
    told = Recording(tmp_path)
    told.trade(100_000)
    found = played(told, clocked)
    assert not found.differing
    (said,) = notes(found, load(write(tmp_path / "new", clocked)), json.loads(compiled(tmp_path / "config")))
    assert said == "the recording did not measure its clock: it is taken for right"
    (tmp_path / "measured").mkdir()
    measured = Recording(tmp_path / "measured", clocked)
    measured.submit("operator", "", b'{"cmd":"clock","error_us":5000}')
    measured.trade(100_000)
    found = played(measured, clocked.replace("1000\n", "6000\n"))
    part = part_of(found, "f1")
    assert (side(part.old).refusals, side(part.new).refusals) == ({"clock": 1}, {})
    assert found.report["unknown"] == []


def test_a_leaders_position_that_his_broker_reported_is_known_to_both_sides(tmp_path: Path) -> None:
    """Without it nothing is opened; the report is a message like any other."""
    text = GOOD.replace("assume_flat = true\n", "")
    told = Recording(tmp_path, text)
    told.trade(100_000)
    body = [(35, "AP"), (721, "P1"), (710, "Q"), (727, "1"), (728, "0"), (1, "L1"), (55, "EURUSD"),
            (702, "1"), (703, "TQ"), (704, "100000")]  # fmt: skip
    for _ in range(2):  # once more with the same quantity, and without a trade between, is believed
        told.submit("leader", "LEADER", encode(BEGIN, body))
    told.trade(100_000)
    part = part_of(played(told, text), "f1")
    for numbers in (side(part.old), side(part.new)):
        assert numbers.refusals == {"leader_position_unknown": 1}
        assert numbers.positions == {"EURUSD": Fraction("0.5")}


def test_stops_of_the_recording_stop_both_sides_and_what_is_unknown_is_said(tmp_path: Path) -> None:
    """A kill is played where its name is known; what the new configuration cannot have is counted."""
    told = Recording(tmp_path)
    told.operator("kill", follower="f2")
    told.operator("kill", follower="f1")
    told.trade(100_000)
    told.operator("arm", follower="f1")
    told.trade(100_000)
    told.submit("quote", "", b'{"instrument":"GOLD","bid":"1","ask":"2"}')
    without = GOOD.replace('[followers.f2]\nroute = "r2"', '[followers.f9]\nroute = "r2"').replace(
        'follower = "f2"', 'follower = "f9"'
    )
    without = without.replace("[instruments.GOLD]", "[instruments.SILVER]")
    found = played(told, without)
    part = part_of(found, "f1")
    assert side(part.old).refusals == side(part.new).refusals == {"kill": 1}
    assert side(part.new).positions == {"EURUSD": Fraction("0.5")}
    unknown = {(one["what"], one["name"]): one["count"] for one in found.report["unknown"]}
    assert unknown == {("stops of follower", "f2"): 1, ("quotes of instrument", "GOLD"): 1}
    gone, added = part_of(found, "f2"), part_of(found, "f9")
    assert (gone.new, added.old) == (None, None)
    assert gone.differs
    assert added.differs


def test_what_a_person_did_to_a_subscription_is_done_on_both_sides(tmp_path: Path) -> None:
    """A pause opens nothing until its end, and who left is not back; a new file without the name says so."""
    told = Recording(tmp_path)
    told.operator("pause", subscription="f1<alpha")
    told.trade(100_000)
    told.operator("resume", subscription="f1<alpha")
    told.trade(100_000)
    told.operator("leave", subscription="f1<alpha", rule="close_now")
    told.trade(100_000)
    part = part_of(played(told, GOOD), "f1")
    assert side(part.old).refusals == side(part.new).refusals == {"paused": 1, "leaving": 1}
    assert side(part.old).positions == side(part.new).positions == {}
    other = played(told, changed('follower = "f1"\n', 'follower = "f1"\nname = "other"\n'))
    unknown = {(one["what"], one["name"]): one["count"] for one in other.report["unknown"]}
    assert unknown == {("commands about subscription", "f1<alpha"): 3}


def test_a_split_is_a_split_on_both_sides(tmp_path: Path) -> None:
    """Twice the units, all of them sold: flat; what was earned on them is not known, and never wrong."""
    told = Recording(tmp_path)
    told.trade(100_000)
    told.operator("adjust", leader="alpha", instrument="EURUSD", factor="2", reason="split")
    told.trade(-200_000)
    found = played(told, GOOD)
    part = part_of(found, "f1")
    assert side(part.old).positions == side(part.new).positions == {}
    assert side(part.new).realised == {"USD": None}
    assert found.report["unknown"] == []


@pytest.mark.parametrize("copies", ['copy = "orders"', "copy_stops = true"])
def test_mirrored_orders_are_compared_with_a_warning(tmp_path: Path, copies: str) -> None:
    """Paper knows only the prices that were recorded: the reader is told before the numbers."""
    told = Recording(tmp_path)
    told.trade(100_000)
    text = changed(HALF, f"{HALF}\n{copies}").replace('profile = "plain"', 'profile = "copygate44"')
    config = load(write(tmp_path, text))
    said = notes(played(told, text), config, json.loads(compiled(tmp_path, GOOD)))
    assert [note for note in said if "column new mirrors orders (f1<alpha)" in note]
    assert not [note for note in said if "column old mirrors" in note]


def test_a_leader_session_that_is_gone_is_said_and_not_dropped_in_silence(tmp_path: Path) -> None:
    """Nothing is copied from it, and the reader sees why."""
    told = Recording(tmp_path)
    told.trade(100_000)
    text = GOOD.replace("sessions.LEADER", "sessions.OTHER").replace(
        'session = "LEADER"', 'session = "OTHER"'
    )
    text = text.replace("leaders.alpha", "leaders.beta").replace('leader = "alpha"', 'leader = "beta"')
    found = played(told, text)
    said = notes(found, load(write(tmp_path / "new", text)), json.loads(compiled(tmp_path / "config")))
    assert said == [
        "not played under the new configuration: 2 messages of leader session LEADER",
        "nothing was recorded of leader beta: no follower copied it here",
    ]


def test_from_begins_flat_and_counts_only_what_comes_after(tmp_path: Path) -> None:
    """What was opened before is nobody's; the leader's position is known, so his close opens nothing."""
    told = Recording(tmp_path)
    for name in ("alpha", "f2"):
        told.operator("account", account=name, equity="1000")
    told.trade(100_000, "1.1")
    told.operator("kill", follower="f2")
    told.wait(100)
    from_ns = told.now_ns
    told.trade(100_000, "1.2")
    told.trade(-150_000, "1.3")
    to_ns = told.now_ns + SECOND_NS
    told.wait(10)
    told.trade(-50_000, "1.4")
    found = played(told, GOOD, from_ns, to_ns)
    part = part_of(found, "f1")
    assert not part.differs
    numbers = side(part.new)
    assert numbers.orders == 2
    assert numbers.refusals == {}
    assert numbers.opened == {"EURUSD": Fraction("0.5")}
    # Three quarters of all that the leader holds are closed, of ours as well; 0.125 lots are rounded.
    assert numbers.positions == {"EURUSD": Fraction("0.12")}
    assert side(part_of(found, "f2").new).refusals["kill"] == 1
    assert found.report["rows"] == 2


@pytest.mark.parametrize(("release", "refused"), [(False, {"kill": 1}), (True, {})])
def test_a_stop_of_everything_before_from_is_still_one(
    tmp_path: Path, release: bool, refused: dict[str, int]
) -> None:
    """Released before, it is none; not released, nothing is opened after --from either."""
    told = Recording(tmp_path)
    told.operator("kill")
    if release:
        told.operator("arm")
    told.wait(10)
    from_ns = told.now_ns
    told.trade(100_000)
    numbers = side(part_of(played(told, GOOD, from_ns), "f1").new)
    assert numbers.refusals == refused


def test_the_recordings_own_side_follows_its_configurations(tmp_path: Path) -> None:
    """A start with another configuration changes the old side from there on, and is said."""
    told = Recording(tmp_path)
    told.trade(100_000)
    told.trade(-100_000)
    wide = changed(HALF, 'sizing = { mode = "multiplier", k = 2 }')
    told.restart(wide)
    told.trade(100_000)
    found = played(told, wide)
    part = part_of(found, "f1")
    assert side(part.old).opened == {"EURUSD": Fraction("2.5")}
    assert side(part.new).opened == {"EURUSD": Fraction("4")}
    config = load(write(tmp_path / "new", wide))
    (said,) = notes(found, config, json.loads(compiled(tmp_path / "config")))
    assert said == "the recording changed its configuration at row 5: column old follows it"


def test_a_change_that_its_own_side_cannot_follow_is_refused_by_name(tmp_path: Path) -> None:
    """No route took the recorded open, so the rule could change; on paper it was filled, and it may not."""
    told = Recording(tmp_path)
    told.trade(100_000)
    told.wait(120)
    assert told.pipeline.tick(told.now_ns) > 0
    other = changed(HALF, 'sizing = { mode = "percent", percent = 50 }')
    told.restart(other)
    told.wait(1)
    behind_ns = told.now_ns
    told.trade(100_000)
    words = "row 5: the recording began anew with another configuration, which its own side cannot follow"
    with pytest.raises(ConfigError, match=words):
        played(told, other)
    assert played(told, GOOD, to_ns=T0_NS + 60 * SECOND_NS).report["rows"] == 3
    found = played(told, other, behind_ns)
    assert not found.differing
    assert side(part_of(found, "f1").new).positions == {"EURUSD": Fraction("0.5")}
