"""`copygate audit fairness`: places and delays of each follower, from the log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer.testing

from gateway.audit.cli import app
from gateway.audit.entry import from_replay
from gateway.audit.fairness import Places, collect
from gateway.audit.store import Store
from tests.unit.audit_rows import DAY_NS, T0_NS, decision, outcome

MS_NS = 1_000_000


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Four executions to three followers, the first of whom rotates, over two days; and one to f1 alone."""
    rows = []
    for number in range(4):
        at = T0_NS + number * MS_NS + (DAY_NS if number == 3 else 0)
        journal = 1 + 10 * number
        for k in range(1, 4):
            who = f"f{(k - 1 + number) % 3 + 1}"
            order = [{"cl_ord_id": f"C{number}{who}", "qty": "500"}]
            rows.append(decision(journal, k, 3, at, follower=who, orders=order if who != "f3" else []))
        for k, who in enumerate(("f1", "f2"), 1):
            rows.append(outcome(journal + k, f"C{number}{who}", "out", at + 100_000 * k))
    rows.append(decision(50, 1, 1, T0_NS + DAY_NS + 9 * MS_NS, follower="f1", orders=[]))
    with Store(tmp_path / "audit") as store:
        store.append([from_replay(*row) for row in rows], 50)
    return tmp_path


def test_places_and_delays_are_counted_for_each_follower(state: Path) -> None:
    """f1 is first twice of four times; f2 is sent 100 µs behind it; f3 never ordered and has no delay."""
    found = collect(state / "audit")
    assert list(found) == ["f1", "f2", "f3"]
    f1, f2, f3 = found.values()
    assert (f1.opens.decisions, f1.opens.first, f1.opens.last) == (4, 2, 1)
    assert [one.opens.place_permille for one in (f1, f2, f3)] == [375, 500, 625]
    assert not any(one.closes.decisions for one in found.values())
    assert list(f1.delays_ns) == [100_000] * 4
    assert list(f2.delays_ns) == [200_000] * 4
    assert not f3.delays_ns


def test_the_screen_says_how_far_followers_are_apart(state: Path) -> None:
    """The furthest mean place from the middle, and the range of the medians."""
    text = invoke("fairness", "--state", str(state))
    assert "50 % is fair, the furthest is 12.5 away; median delay 100 to 200 µs" in text
    assert [line.split()[:5] for line in text.splitlines() if line.startswith("f1")] == [
        ["f1", "4", "2", "1", "37.5"],
        ["f1", "4", "100", "100", "100"],
    ]


def test_json_has_microseconds(state: Path) -> None:
    """For a program: the same numbers by follower."""
    found = json.loads(invoke("fairness", "--state", str(state), "--json"))
    assert found["f2"]["received_to_sent_us"]["p50"] == 200
    assert found["f3"]["opens"] == {"decisions": 4, "first": 1, "last": 2, "place_permille": 625}
    assert found["f3"]["closes"]["decisions"] == 0
    assert not found["f3"]["received_to_sent_us"]


def test_opens_and_closes_are_counted_apart(tmp_path: Path) -> None:
    """First at every open and last at every close is not 50 %, whatever the mean of both is. A flip is an
    open, a refused open is one too, and a close of what was never copied is a close."""
    rows = []
    trades = [("0", "500"), ("500", "0"), ("0", "500"), ("500", "300"), ("300", "0")]
    for row, (reduce, increase) in enumerate(trades, 1):
        closes = increase == "0"
        for k in (1, 2):
            told = {"reduce": reduce, "increase": increase}
            who = f"f{3 - k if closes else k}"
            rows.append(decision(row, k, 2, follower=who, orders=[], target_after="0", numbers=told))
    with Store(tmp_path / "audit") as store:
        store.append([from_replay(*row) for row in rows], 10)
    f1, f2 = collect(tmp_path / "audit").values()
    assert (f1.opens.decisions, f1.opens.place_permille, f2.opens.place_permille) == (3, 0, 1000)
    assert (f1.closes.decisions, f1.closes.place_permille, f2.closes.place_permille) == (2, 1000, 0)
    assert "the furthest is 50.0 away" in invoke("fairness", "--state", str(tmp_path))


def test_what_has_no_numbers_or_half_of_them_is_an_open(tmp_path: Path) -> None:
    """A refusal before the core had worked out anything, beside a follower for whom it had."""
    numbers = [({}, {}), ({"reduce": "500"}, {"reduce": "500"}), ({}, {"reduce": "0", "increase": "500"}),
               ({"reduce": "500", "increase": "0"}, {})]  # fmt: skip
    rows = [
        decision(row, k, 2, follower=f"f{k}", orders=[], numbers=told)
        for row, of in enumerate(numbers, 1)
        for k, told in enumerate(of, 1)
    ]
    with Store(tmp_path / "audit") as store:
        store.append([from_replay(*row) for row in rows], 10)
    for one in collect(tmp_path / "audit").values():
        assert (one.opens.decisions, one.closes.decisions) == (3, 1)


def test_a_log_of_one_follower_says_that_there_is_nothing_to_compare(tmp_path: Path) -> None:
    """No line, no division by nothing."""
    with Store(tmp_path / "audit") as store:
        store.append([from_replay(*decision(1))], 1)
    assert "more than one follower yet" in invoke("fairness", "--state", str(tmp_path))
    assert Places().place_permille == 0


def invoke(*words: str) -> str:
    """What `copygate audit …` prints."""
    result = typer.testing.CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.output
    return result.stdout
