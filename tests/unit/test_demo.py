"""The demo's deployment and its comparison: it must be able to say no."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from gateway import demo, demo_config
from gateway.clock import wait_until
from gateway.config import examine, load
from gateway.demo_result import Ledger, judge, ledger_of
from gateway.sim.book import Account, Book, Execution

STEPS = {"EURUSD": Decimal(1000)}


def book(name: str, qty: str, fills: int = 1) -> Book:
    """A broker's book with one account, one position and a number of fills."""
    made = Book(accounts={name: Account(name, positions={"EURUSD": Decimal(qty)})})
    for n in range(fills):
        made.executions[f"E{n}"] = Execution(
            f"E{n}", "O1", "C1", name, "EURUSD", "1", Decimal(1000), Decimal("1.1"), 0
        )
    return made


def ledger(target: str, filled: str, leader: int = 1, fills: int = 1) -> Ledger:
    """The gateway's view of one follower."""
    key = ("F1", "EURUSD")
    counts = {"leader_executions": leader, "follower_fills": fills}
    return Ledger(True, counts, {key: Decimal(target)}, {key: Decimal(filled)})


def test_books_that_agree_are_good() -> None:
    """Leader flat, follower flat, counts equal: no reason to complain."""
    verdict = judge(book("LEADER", "0"), [book("F1", "0")], ledger("0", "0"), STEPS)
    assert verdict.good
    assert verdict.reasons == ()


@pytest.mark.parametrize(
    ("leader", "broker", "view", "expected"),
    [
        (book("LEADER", "0", 2), book("F1", "0"), ledger("0", "0"), (1, 0, ())),
        (book("LEADER", "0"), book("F1", "0", 1), ledger("0", "0", fills=2), (0, 1, ())),
        (book("LEADER", "0"), book("F1", "1000"), ledger("0", "1000"), (0, 0, ("F1",))),
        (book("LEADER", "0"), book("F1", "1000"), ledger("0", "0"), (1, 0, ("F1",))),
        (book("LEADER", "9000"), book("F1", "4000"), ledger("4500.5", "4000"), (0, 0, ())),
        (book("LEADER", "9000"), book("F1", "4000"), ledger("6000", "4000"), (0, 0, ("F1",))),
    ],
)
def test_each_kind_of_disagreement_is_named(
    leader: Book, broker: Book, view: Ledger, expected: tuple[int, int, tuple[str, ...]]
) -> None:
    """Lost, doubled and off target are told apart; a step of rounding is fine while the leader holds."""
    verdict = judge(leader, [broker], view, STEPS)
    assert (verdict.lost, verdict.duplicated, verdict.off_target) == expected
    assert verdict.good == (expected == (0, 0, ()))


def test_an_order_sent_twice_is_a_double() -> None:
    """The broker refused the second one, and it still counts."""
    broker = book("F1", "0")
    broker.duplicate_requests = 1
    assert judge(book("LEADER", "0"), [broker], ledger("0", "0"), STEPS).duplicated == 1


def test_no_status_proves_nothing() -> None:
    """Without the ledger every leader execution counts as lost: the demo cannot pass by silence."""
    verdict = judge(book("LEADER", "0", 3), [book("F1", "0")], ledger_of({}, {}), STEPS)
    assert verdict.lost == 3
    assert not verdict.good


def test_the_status_becomes_positions_by_account() -> None:
    """Targets and fills of one follower's subscriptions add up under its account."""
    row = {"follower": "f1", "instrument": "EURUSD", "target": "1500.5", "filled": "1000", "working": "0"}
    read = ledger_of({"subscriptions": [row, row], "journal_rows": 7}, {"f1": "F1"})
    assert read.targets == {("F1", "EURUSD"): Decimal("3001")}
    assert read.filled == {("F1", "EURUSD"): Decimal(2000)}
    assert read.count("journal_rows") == 7


@pytest.mark.parametrize(("followers", "sessions"), [(1, 1), (6, 2), (20, 4), (3, 10)])
def test_the_deployment_spreads_followers_over_sessions(
    tmp_path: Path, followers: int, sessions: int
) -> None:
    """Every session has a follower, names are unique, and `check` has nothing to say."""
    made = demo_config.plan(tmp_path, followers, sessions)
    demo_config.write(made)
    config, problems = examine(made.config)
    assert problems == []
    assert config is not None
    assert len(config.followers) == followers
    assert {f.session for f in made.followers} == set(made.brokers)
    assert len(set(made.ports.values())) == len(made.ports)


def test_six_followers_show_every_sizing_mode_and_each_instrument_once(tmp_path: Path) -> None:
    """All nine modes are there; a follower with two rules has each instrument under one of them."""
    made = demo_config.plan(tmp_path, 6, 2)
    demo_config.write(made)
    config = load(made.config)
    modes = {item.sizing.mode for item in config.subscriptions}
    assert modes == {
        *("multiplier", "percent", "lots_multiplier", "fixed", "equity", "balance", "free_margin"),
        *("notional", "percent_equity"),
    }
    for follower in config.followers:
        copied = [
            name
            for item in config.subscriptions
            if item.follower == follower
            for name in item.filters.instruments or config.instruments
        ]
        assert sorted(copied) == sorted(config.instruments)


Tamper = tuple[Callable[[Book], object], int, str]
TAMPERED: dict[str, Tamper] = {
    "nothing": (lambda _book: None, 0, "lost"),
    "a position": (lambda book: book.accounts["F1"].positions.update(EURUSD=Decimal(1000)), 1, "lost"),
    "a fill more": (
        lambda book: book.executions.update(X=dataclasses.replace(book.executions["E0"], exec_id="X")),
        1,
        "lost",
    ),
    "a fill less": (lambda book: book.executions.clear(), 1, "duplicated"),
    "an order twice": (lambda book: setattr(book, "duplicate_requests", 1), 1, "duplicated"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_tampered_book_ends_the_demo_with_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    """The judge can say no: one unit, one fill or one order too many in a broker's book is enough."""
    tamper, code, counter = TAMPERED[what]
    broker = book("F1", "0")
    tamper(broker)
    made = demo_config.plan(tmp_path, 1, 1)
    assert demo.conclude(made, book("LEADER", "0"), [broker], ledger("0", "0"), True) == code
    figures = json.loads(capsys.readouterr().out)
    assert (figures[counter] > 0) == bool(code)
    assert bool(figures["reasons"]) == bool(code)
    assert demo.conclude(made, book("LEADER", "0"), [broker], ledger("0", "0"), False) == code
    assert ("differs" in capsys.readouterr().out) == bool(code)


def test_the_closing_object_has_every_promised_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scripts rely on the names, also where nothing was measured."""
    made = demo_config.plan(tmp_path, 1, 1)
    demo.conclude(made, book("LEADER", "0"), [book("F1", "0")], ledger("0", "0"), True)
    figures = json.loads(capsys.readouterr().out)
    assert set(figures) == {
        *("leader_executions", "orders_sent", "follower_fills", "refusals", "lost", "duplicated"),
        *(
            "off_target_followers",
            "journal_rows",
            "audit_entries",
            "latency_us",
            "latency_stages_us",
            "reasons",
        ),
    }
    assert {"p50", "p90", "p99", "p99_9", "max"} <= set(figures["latency_us"])


def test_a_gateway_that_died_leaves_no_children_behind() -> None:
    """Its supervisor was killed: whoever it had started is ended with its process group."""
    script = "sleep 600 & echo $!; kill -9 $$"
    died = subprocess.Popen(["sh", "-c", script], start_new_session=True, stdout=subprocess.PIPE)
    assert died.stdout is not None
    child = int(died.stdout.readline())
    died.stdout.close()
    died.wait()
    demo.stop_gateway(died)

    def ended() -> bool:
        try:
            state = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        return state == "Z"

    assert wait_until(ended, 10_000, 20)
