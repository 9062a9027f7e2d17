"""What each subscription did and won: by hand, by an independent sum over the log, and as it is shown."""

from __future__ import annotations

import json
import random
import sqlite3
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import typer.testing

from gateway.audit.cli import app
from gateway.audit.entry import from_replay
from gateway.audit.pnl import COST_PLACES, DENOMINATOR_MAX, Execution, Line, booked, correct
from gateway.audit.store import Store, day_files, read_entries, reading
from gateway.audit.subscriptions import Copied, collect
from tests.unit.audit_rows import DAY_NS, T0_NS, Row, decision, later, moved, outcome, told

SUBS = ("f1<alpha", "f1<beta", "f2<alpha")


def lines_of(folder: Path, rows: list[Row], follower: str | None = None) -> dict[tuple[str, str], Copied]:
    """A log of these rows, read."""
    with Store(folder / "audit") as store:
        store.append([from_replay(*row) for row in rows], rows[-1][0])
    found = collect(folder / "audit", follower)
    return {(one.subscription, one.instrument): one for one in found.lines}


def test_average_cost_by_hand() -> None:
    """10 at 1 and 10 at 3 cost 2 each: 5 sold at 4 win 10, 20 sold at 1 lose 15 and open 5 short at 1."""
    line = Line()
    for units, px in ((10, 1), (10, 3), (-5, 4)):
        line.fill(Fraction(units), Fraction(px))
    assert told(line.position, line.average, line.realised) == (15, 2, 10)
    line.fill(Fraction(-20), Fraction(1))
    assert told(line.position, line.average, line.realised) == (-5, 1, -5)
    assert line.floating(Fraction("0.8")) == 1
    line.fill(Fraction(5), Fraction("0.5"))
    assert told(line.position, line.average, line.realised) == (0, None, Fraction("-2.5"))
    assert told(line.bought, line.sold) == (25, 25)


def test_what_has_no_price_moves_positions_only() -> None:
    """Nothing is invented: the average is unknown until the line is flat, and then it begins anew."""
    line = Line()
    line.fill(Fraction(10), None)
    line.fill(Fraction(-4), Fraction(2))
    assert told(line.position, line.average, line.realised, line.unpriced) == (6, None, 0, 2)
    assert line.floating(Fraction(3)) is None
    line.fill(Fraction(-6), Fraction(2))
    line.fill(Fraction(1), Fraction(7))
    assert told(line.average, line.unpriced) == (7, 3)
    line.fill(Fraction(1), Fraction(9))
    line.fill(Fraction(-1), None)
    assert told(line.average, line.realised, line.unpriced) == (8, 0, 4)


def test_a_line_that_is_never_flat_does_not_grow() -> None:
    """What the cost is rounded by is in the result: both stay the money that changed hands."""
    draw, line, cash = random.Random(7), Line(), Fraction(0)
    for _ in range(2_000):
        units = Fraction(draw.choice((-9, -7, -3, 11, 13)))
        if line.position + units <= 0:
            units = Fraction(1_000)
        px = Fraction(draw.randrange(9_000, 11_000), 10_000)
        line.fill(units, px)
        cash -= units * px
    assert line.cost is not None
    assert line.realised - line.cost == cash
    assert line.cost.denominator <= DENOMINATOR_MAX * 10_000
    assert abs(round(line.cost, COST_PLACES) - line.cost) < Fraction(1, 10**COST_PLACES)


def test_a_correction_of_a_repeated_name_takes_the_newest_first() -> None:
    """Each to nothing at most; what nobody has is told."""
    named = [Execution(Fraction(5), Fraction(1)), Execution(Fraction(3), Fraction(2))]
    assert correct(named, Fraction(-4), None) == 0
    assert [one.units for one in named] == [4, 0]
    assert correct(named, Fraction(-6), Fraction(9)) == -2
    assert [told(one.units, one.px) for one in named] == [(0, 9), (0, 9)]
    assert booked(named) == Line()


def test_each_subscription_has_its_own_numbers(tmp_path: Path) -> None:
    """Two leaders on one account; gold has another name and contract size there."""
    rows = [
        decision(1),
        decision(1, result="refused", code="stale", orders=[]),
        moved(2, "f1<alpha", "fill", 100_000, "1.1"),
        decision(3, subscription="f1<beta", leader="beta", instrument="XAUUSD"),
        moved(4, "f1<beta", "fill", -200, "4000.5", instrument="XAUUSD"),
        moved(5, "f1<beta", "fill", 50_000, "1.2"),
        moved(6, "f1<alpha", "fill", -100_000, "1.1005"),
        later(7, "L7", "500"),
        outcome(8, "L7", "rejected", px=None),
        decision(9, subscription="f1<beta", leader="beta", result="refused", code="kill", orders=[]),
    ]
    found = lines_of(tmp_path, rows)
    assert set(found) == {("f1<alpha", "EURUSD"), ("f1<beta", "EURUSD"), ("f1<beta", "XAUUSD")}
    alpha, beta, gold = (
        found[key] for key in (("f1<alpha", "EURUSD"), ("f1<beta", "EURUSD"), ("f1<beta", "XAUUSD"))
    )
    assert (alpha.decisions, alpha.orders, alpha.fills) == (2, 2, 2)
    assert alpha.refusals == {"stale": 1, "broker_reject": 1}
    assert told(alpha.line.position, alpha.line.realised) == (0, 50)
    assert told(beta.line.position, beta.line.average, beta.refusals) == (
        50_000,
        Fraction("1.2"),
        {"kill": 1},
    )
    assert told(gold.traded, gold.contract, gold.line.position) == ("GOLD", 100, -200)
    assert (gold.orders, gold.line.average) == (1, Fraction("4000.5"))
    accounts = {(one.follower, one.traded): one for one in collect(tmp_path / "audit").accounts()}
    assert accounts["f1", "EURUSD"].line.position == 50_000
    assert accounts["f1", "EURUSD"].line.realised == 50
    assert {one.follower for one in collect(tmp_path / "audit", "f2").lines} == set()


def test_busts_and_corrections_of_other_days_count_where_the_fill_was(tmp_path: Path) -> None:
    """As if it had been so from the start; one of a fill that nobody knows moves the position alone."""
    name = f"{2:032x}"
    rows = [
        moved(2, "f1<alpha", "fill", 10, "1"),
        moved(3, "f1<alpha", "fill", 10, "3"),
        moved(4, "f1<alpha", "fill", -10, "4", name=f"{4:032x}"),
        moved(5, "f1<alpha", "correct", 2, "2", name, at_ns=T0_NS + DAY_NS),
        moved(6, "f1<alpha", "bust", -10, None, f"{4:032x}", side="sell", at_ns=T0_NS + DAY_NS),
        moved(7, "f1<alpha", "bust", -1, "9", "0" * 32, side="buy", at_ns=T0_NS + DAY_NS),
    ]
    one = lines_of(tmp_path, rows)["f1<alpha", "EURUSD"]
    assert len(day_files(tmp_path / "audit")) == 2
    assert (one.fills, one.busts, one.corrections, one.line.unpriced) == (3, 2, 1, 1)
    assert told(one.line.bought, one.line.sold, one.line.position) == (22, 1, 21)
    assert told(one.line.realised, one.line.average) == (0, Fraction(12 * 2 + 10 * 3, 22))


def independent(folder: Path) -> dict[str, list[tuple[Fraction, Fraction]]]:
    """Fills by subscription as the entries say them, without those that a bust names."""
    entries = [json.loads(data) for _, data in read_entries(folder)]
    all_moved = [entry for entry in entries if entry.get("moved")]
    busted = {entry["moved"]["execution"] for entry in all_moved if entry["moved"]["act"] == "bust"}
    found: dict[str, list[tuple[Fraction, Fraction]]] = {sub: [] for sub in SUBS}
    for entry in all_moved:
        if entry["moved"]["act"] == "fill" and entry["moved"]["execution"] not in busted:
            sign = 1 if entry["moved"]["side"] == "buy" else -1
            found[entry["subscription"]].append(
                (sign * Fraction(entry["moved"]["units"]), Fraction(entry["px"]))
            )
    return found


def test_an_independent_sum_over_the_same_log_agrees(tmp_path: Path) -> None:
    """Whatever the order of fills and busts: won and floating at any price are the money that changed hands,
    and what two leaders have on one account adds up to the account's."""
    draw, rows, open_fills = random.Random(11), list[Row](), list[tuple[str, int, str]]()
    for journal in range(1, 600):
        if open_fills and draw.random() < 0.1:
            sub, units, name = open_fills.pop(draw.randrange(len(open_fills)))
            side = "sell" if units < 0 else "buy"
            rows.append(moved(journal, sub, "bust", -abs(units), None, name, side=side))
            continue
        sub, units = draw.choice(SUBS), draw.choice((-3, -2, -1, 1, 2, 4)) * 1_000
        px = f"1.{draw.randrange(10_000, 12_000)}"
        rows.append(moved(journal, sub, "fill", units, px, at_ns=T0_NS + journal * DAY_NS // 300))
        open_fills.append((sub, units, f"{journal:032x}"))
    found = lines_of(tmp_path, rows)
    sums, at_px = independent(tmp_path / "audit"), Fraction("1.2345")
    total = {
        sub: sum((units * (at_px - at) for units, at in fills), Fraction(0)) for sub, fills in sums.items()
    }
    for sub in SUBS:
        line = found[sub, "EURUSD"].line
        assert line.position == sum(units for units, _ in sums[sub])
        assert line.bought == sum(units for units, _ in sums[sub] if units > 0)
        assert line.realised + (line.floating(at_px) or 0) == total[sub], sub
    accounts = {one.follower: one for one in collect(tmp_path / "audit").accounts()}
    account = accounts["f1"].line
    assert account.cost is not None
    assert account.realised + account.position * at_px - account.cost == total[SUBS[0]] + total[SUBS[1]]
    assert len(day_files(tmp_path / "audit")) > 1


def shown(folder: Path, *words: str) -> typer.testing.Result:
    wide = {"COLUMNS": "200"}
    return typer.testing.CliRunner().invoke(app, ["subscriptions", "--state", str(folder), *words], env=wide)


def test_the_command_prints_lots_results_and_what_it_does_not_know(tmp_path: Path) -> None:
    """JSON has exact text; floating only where a price is given."""
    command = json.dumps({"command": {"cmd": "adjust", "who": "ann"}, "kind": "operator", "journal": "5"})
    rows: list[Row] = [
        decision(1),
        moved(2, "f1<alpha", "fill", 150_000, "1.1"),
        moved(3, "f1<alpha", "fill", -50_000, "1.2"),
        (5, "operator", command),
    ]
    lines_of(tmp_path, rows)
    found = json.loads(shown(tmp_path, "--json").stdout)
    (one,), (account,) = found["subscriptions"], found["accounts"]
    want: dict[str, Any] = {
        "bought_lots": "1.5", "sold_lots": "0.5", "position_lots": "1", "average_px": "1.1",
        "realised": "5000", "floating": None, "currency": "USD", "fills": 2, "refusals": {},
    }  # fmt: skip
    assert {key: one[key] for key in want} == want
    assert (account["realised"], account["position_lots"]) == ("5000", "1")
    assert found["by_hand"] == {"adjust": 1}
    priced = json.loads(shown(tmp_path, "--json", "--price", "EURUSD=1.15").stdout)
    assert priced["subscriptions"][0]["floating"] == priced["accounts"][0]["floating"] == "5000"
    text = shown(tmp_path, "--price", "EURUSD=1.15").stdout
    assert all(
        word in text for word in ("f1<alpha", "5000", "floating", "Commands may have moved", "1 adjust")
    )
    for bad in ("EURUSD", "EURUSD=x", "=1"):
        assert shown(tmp_path, "--price", bad).exit_code == 2


def test_the_table_of_fills_is_there_for_people(tmp_path: Path) -> None:
    """One row for each outcome that moved something, with the instrument and currency beside."""
    lines_of(tmp_path, [decision(1), moved(2, "f1<alpha", "fill", -7, "1.1"), outcome(3, "C2", "filled")])
    with reading(day_files(tmp_path / "audit")[0]) as db:
        rows = [dict(row) for row in db.execute("SELECT follower, act, side, units, px, currency FROM fills")]
    assert rows == [
        {"follower": "f1", "act": "fill", "side": "sell", "units": "7", "px": "1.1", "currency": "USD"}
    ]


def test_a_day_of_an_older_version_is_named(tmp_path: Path) -> None:
    """Its outcomes do not say enough: they are left out, and that is said."""
    lines_of(tmp_path, [decision(1)])
    with sqlite3.connect(day_files(tmp_path / "audit")[0]) as db:
        db.executescript("DROP VIEW fills; DROP TABLE fill;")
    db.close()
    found = collect(tmp_path / "audit")
    assert Counter(found.without_fills) == {day_files(tmp_path / "audit")[0].name: 1}
    assert "older version" in shown(tmp_path).stdout
