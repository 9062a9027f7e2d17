"""Seeds of faults that every run of the tests plays, and proof that the judge and its tools can say no."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.resources import root
from gateway.sim.book import Account, Book, Execution
from gateway.sim.reports import Outgoing
from gateway.sim.text import Fields
from tests.fault import judge
from tests.fault.__main__ import seeds_of
from tests.fault.crossing import BEHIND_MS, PATIENCE_MS, TAKES_MS, Crossing
from tests.fault.judge import Arrival, Copier, Finding
from tests.fault.page import Io, Page, Slot
from tests.fault.proxy import Proxy
from tests.fault.schedule import BY_NAME, FAULTY_MS, KINDS, schedule
from tests.fault.seeds import FOUND, IN_EVERY_TEST
from tests.fault.steps import CALLS, NUMBERS, Steps, names
from tests.fault.without import LEFT_OUT, leave_out

WHO = Copier("f1", "F1", "A", Decimal(1), 2_000)


def play(*words: str) -> dict[str, Any]:
    """Runs the harness as a person does; its figures."""
    command = [sys.executable, "-m", "tests.fault", "--json", "--jobs", "5", *words]
    done = subprocess.run(command, cwd=root(), capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_nothing_is_lost_doubled_or_off_target_under_faults() -> None:
    """Real processes and sockets, faults of every kind: brokers' books and leader's agree in the end."""
    found = play("--seeds", IN_EVERY_TEST)
    counts = {name: found[name] for name in ("accepted_twice", "unknown_left", "lost_closes", "off_target")}
    assert set(counts.values()) == {0}, found
    assert found["failed"] == [], found
    assert found["faults"] >= 100


def test_what_once_went_wrong_is_played_in_every_test() -> None:
    assert set(FOUND) <= set(seeds_of(IN_EVERY_TEST))
    assert len(seeds_of(IN_EVERY_TEST)) == 20


@pytest.mark.parametrize(("text", "why"), [("7..3", "is empty"), ("a", "not like"), ("1..2,", "not like")])
def test_seeds_that_are_none_are_refused(text: str, why: str) -> None:
    with pytest.raises(SystemExit, match=why):
        seeds_of(text)


@pytest.mark.slow
def test_the_judge_finds_what_follows_without_a_rule() -> None:
    """A harness that finds nothing proves nothing. Rules of the core: `make fault-rules`."""
    rules = [rule for rule in LEFT_OUT if rule.shell]
    with ThreadPoolExecutor() as pool:
        words = [("--seeds", rule.seeds, "--kinds", rule.kinds, "--without", rule.name) for rule in rules]
        found = list(pool.map(lambda some: play(*some), words))
    assert [rule.name for rule, result in zip(rules, found, strict=True) if not result["failed"]] == []
    assert len(rules) == 2


# ---- the schedule ------------------------------------------------------------------------------------


def test_a_seed_is_always_the_same_faults() -> None:
    for seed in range(50):
        assert schedule(seed) == schedule(seed)
        assert all(0 <= fault.at_ms <= FAULTY_MS for fault in schedule(seed))
    assert schedule(1) != schedule(2)


def test_every_kind_and_every_step_comes_up() -> None:
    """What no seed does is not tested by any number of seeds."""
    faults = [fault for seed in range(2_000) for fault in schedule(seed)]
    steps = {fault.where for fault in faults if fault.kind == "kill_at_step"}
    assert steps == set(names())
    assert len(names()) == 2 * len(CALLS) == len(NUMBERS)
    assert len({fault.kind for fault in faults}) >= len(KINDS) - 2
    assert not {fault.kind for fault in faults} & set(BY_NAME)
    assert {fault.kind for fault in schedule(1, tuple(BY_NAME))} == set(BY_NAME)


def test_only_the_kinds_that_were_asked_for_come_up() -> None:
    assert {fault.kind for seed in range(20) for fault in schedule(seed, ("bust", "stall"))} == {
        "bust",
        "stall",
    }
    with pytest.raises(ValueError, match="no such kind: flood"):
        schedule(1, ("flood",))


# ---- the broker whose answers are old -----------------------------------------------------------------


class Desk:
    """A model that says what it was told to treat."""

    def __init__(self) -> None:
        self.crossing = Crossing()
        self.crossing.begin(1_000, 0)
        self.taken: list[str] = []
        self.left: list[str] = []

    def receive(self, session: str, fields: Fields, now_ns: int) -> list[Outgoing]:
        """Treats a message; its report is about to leave."""
        self.taken.append(f"{dict(fields)[35]} {dict(fields)[11]}")
        name = dict(fields)[11]
        report: Fields = [(35, "8"), (11, name), (41, dict(fields).get(41, "")), (58, f"report of {name}")]
        return [Outgoing(now_ns, session, report)]

    def comes(self, at_ms: int, kind: str, *more: tuple[int, str]) -> None:
        """A message at a time, and what is due until then."""
        while (due := self.crossing.next_due_ns()) is not None and due <= at_ms * 1_000_000:
            self._leave(self.crossing.run(self, due), status=False)
        fields: Fields = [(35, kind), *(more or ((11, "A"),))]
        waits = self.crossing.reads("S", fields, at_ms * 1_000_000)
        if kind == "H":
            said = "known" if "D A" in self.taken else "not known"
            self._leave([Outgoing(0, "S", [(35, "8"), (11, "A"), (58, said)])], status=True)
        elif not waits:
            self._leave(self.receive("S", fields, 0), status=False)

    def _leave(self, messages: list[Outgoing], *, status: bool) -> None:
        self.left += [dict(m.fields)[58] for m in messages if not self.crossing.says(m, status=status)]


def test_old_answers_come_behind_a_new_question_and_the_order_is_taken_in_time() -> None:
    """Two say "not known", and are true when they are made; the second comes when it is not any more."""
    desk = Desk()
    desk.comes(0, "D")
    desk.comes(800, "H")
    desk.comes(1_200, "H")
    assert (desk.taken, desk.left) == ([], ["not known"])
    desk.comes(800 + TAKES_MS, "D", (11, "B"))
    assert desk.taken == ["D A", "D B"]
    desk.comes(1_600, "H")
    assert desk.left == ["not known", "report of B"]
    desk.comes(1_600 + BEHIND_MS, "0", (11, ""))
    assert desk.left[:-1] == ["not known", "report of B", "not known", "report of A", "known"]


def test_an_order_that_nobody_asks_for_goes_on_and_its_cancel_stays_behind_it() -> None:
    desk = Desk()
    desk.comes(0, "D")
    desk.comes(10, "F", (11, "C"), (41, "A"))
    assert desk.taken == []
    desk.comes(PATIENCE_MS, "0", (11, ""))
    assert desk.taken == ["D A", "F C", "0 "]
    assert desk.left == ["report of A", "report of C", "report of "]


# ---- the judge ---------------------------------------------------------------------------------------


def book(*fills: tuple[str, int], account: str = "F1") -> Book:
    """A book with fills (symbol, signed units)."""
    made = Book(accounts={account: Account(account)})
    for n, (symbol, units) in enumerate(fills):
        side = "1" if units > 0 else "2"
        qty = Decimal(abs(units))
        made.executions[f"E{n}"] = Execution(f"E{n}", "O", "C", account, symbol, side, qty, Decimal(1), 0)
        made.accounts[account].book(symbol, Decimal(units), Decimal(1))
    return made


def test_an_order_that_a_broker_took_twice_is_found() -> None:
    finding = Finding()
    twice = [Arrival(1, "A", "F1", "EURUSD", opens=True), Arrival(2, "A", "F1", "EURUSD", opens=True)]
    judge.accepted_twice([*twice, Arrival(3, "A", "F2", "EURUSD", opens=True)], finding)
    assert (finding.accepted_twice, finding.good) == (1, False)


def test_a_copy_made_twice_under_two_names_is_found() -> None:
    """Closed again at once it leaves no position; the volume tells."""
    finding, leader = Finding(), book(("EURUSD", 10), ("EURUSD", -10), account="L")
    judge.volume(leader, "L", book(("EURUSD", 10), ("EURUSD", -10)), WHO, finding)
    assert finding.good
    judge.volume(leader, "L", book(("EURUSD", 10), ("EURUSD", 10), ("EURUSD", -20)), WHO, finding)
    assert finding.accepted_twice == 1


@pytest.mark.parametrize(("held", "leader"), [(11, 10), (-1, 10), (1, 0), (-11, -10)])
def test_a_follower_beyond_its_share_is_found(held: int, leader: int) -> None:
    finding = Finding()
    judge.within_leader({"EURUSD": Decimal(held)}, {"EURUSD": Decimal(leader)}, WHO, finding)
    assert finding.off_target == 1


def test_a_follower_that_missed_opens_is_within_its_share() -> None:
    finding = Finding()
    for held in (0, 4, 10):
        judge.within_leader({"EURUSD": Decimal(held)}, {"EURUSD": Decimal(10)}, WHO, finding)
    assert finding.good


def test_an_order_without_an_outcome_is_found() -> None:
    finding = Finding()
    judge.unknown({"orders": {"filled": 9, "missed": 2, "dispatched": 3, "unknown": 1, "held": 0}}, finding)
    assert finding.unknown_left == 4


def test_an_open_that_came_late_is_found_and_a_close_is_not() -> None:
    finding = Finding()
    arrivals = [
        Arrival(2_999_000_000, "A", "F1", "EURUSD", opens=True),
        Arrival(3_100_000_000, "B", "F1", "EURUSD", opens=True),
        Arrival(9_000_000_000, "C", "F1", "EURUSD", opens=False),
    ]
    judge.stale(arrivals, dict.fromkeys("ABC", 0), {"F1": WHO}, 1_000, finding)
    assert [reason.split()[2] for reason in finding.reasons] == ["B"]


def test_positions_are_compared_in_both_directions() -> None:
    finding = Finding()
    one, other = {"EURUSD": Decimal(1)}, {"GBPUSD": Decimal(1)}
    judge.equal(one, other, "lost_closes", "f1", finding)
    assert finding.lost_closes == 2


# ---- the tools ---------------------------------------------------------------------------------------


def test_a_step_ends_the_process_at_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passed as often as asked for, then the end, and only once."""
    page, killed = Page(tmp_path / "page"), []
    monkeypatch.setattr("os.kill", lambda *_: killed.append(page[Slot.STEP_LEFT]))
    call = Steps(page).around("core.submit", lambda: "done")
    page.kill_at(NUMBERS["core.submit.behind"], 2)
    for calls in range(1, 6):
        assert call() == "done"
        assert len(killed) == int(calls >= 3)
    assert page[Slot.STEP_FIRED] == 1


def test_only_frames_of_orders_and_rows_get_lost(tmp_path: Path) -> None:
    page = Page(tmp_path / "page")
    steps = Steps(page)
    page[Slot.DROP_TO_ROUTE] = 2
    lost = [steps.loses(Slot.DROP_TO_ROUTE, b"CG\x01" + bytes([kind])) for kind in (7, 3, 5, 4, 3)]
    assert lost == [False, True, False, True, False]


def test_the_page_lifts_everything(tmp_path: Path) -> None:
    page = Page(tmp_path / "page")
    page.step_clock(5)
    page.break_file("route.db", Io.FULL)
    page.kill_at(3)
    page.lift()
    assert not any((tmp_path / "page").read_bytes()[:64])
    with pytest.raises(ValueError, match="too long"):
        page.break_file("x" * 200, Io.FULL)


@pytest.fixture
def line() -> Any:
    """A proxy, its far end, and a connection through it."""
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = Proxy(listener.getsockname()[1])
    near = socket.create_connection(("127.0.0.1", proxy.port))
    far, _ = listener.accept()
    for end in (near, far):
        end.settimeout(5)
    yield proxy, near, far
    proxy.close()
    for end in (near, far, listener):
        end.close()


def test_a_line_passes_bytes_on(line: Any) -> None:
    _, near, far = line
    near.sendall(b"order")
    assert far.recv(99) == b"order"
    far.sendall(b"report")
    assert near.recv(99) == b"report"


def test_a_held_line_says_nothing_and_loses_nothing(line: Any) -> None:
    proxy, near, far = line
    proxy.hold(60, cut_behind=False)
    near.sendall(b"order")
    far.settimeout(0.2)
    with pytest.raises(TimeoutError):
        far.recv(99)
    proxy.lift()
    far.settimeout(5)
    assert far.recv(99) == b"order"


def test_a_cut_line_is_reset_on_both_sides_and_stays_down(line: Any) -> None:
    proxy, near, far = line
    proxy.cut(60)
    for end in (near, far):
        with pytest.raises(ConnectionResetError):
            end.recv(99)
    again = socket.create_connection(("127.0.0.1", proxy.port))
    again.settimeout(5)
    with pytest.raises(ConnectionResetError):
        again.recv(99)
    again.close()


def test_a_garbled_line_changes_one_byte_once(line: Any) -> None:
    proxy, near, far = line
    proxy.garble(to_gateway=False)
    near.sendall(b"order")
    assert far.recv(99) == b"or\x24er"
    near.sendall(b"order")
    assert far.recv(99) == b"order"


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(ValueError, match="no such rule: luck; there are dedupe"):
        leave_out("luck")
    with pytest.raises(ValueError, match="make fault-rules"):
        leave_out("settle")
