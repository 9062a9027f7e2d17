"""`copygate sim`: what it prints and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.clock import wait_until
from gateway.resources import root
from gateway.sim.actors import fresh
from gateway.sim.cli import app
from gateway.sim.text import decode, encode, first
from tests.unit.test_sim_server import Client

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
PATIENCE_MS = 20_000


def test_history_prints_every_message_and_the_equal_total() -> None:
    """FIX with `|`, one message a line, and the comparison on stderr."""
    path = DATA / "history-mt4-heiken-ashi.csv"
    assert path.is_file(), f"test data missing: put the shared data folder at {DATA}"
    result = CliRunner().invoke(app, ["history", str(path), "--messages"])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert all(line.startswith("8=FIX.4.4|9=") and line.endswith("|") for line in lines)
    assert "statement total 88.72, equal to a 100 % follower's result" in result.stderr


def test_history_copies_the_statement_and_says_what_came_of_it() -> None:
    """The table for people, and the same as JSON; the full copy earns the statement's total."""
    path = DATA / "history-mt4-heiken-ashi.csv"
    shown = CliRunner().invoke(app, ["history", str(path)])
    assert shown.exit_code == 0
    assert "percent        47           88.72  EURCAD -20000" in shown.stdout
    assert "100 % follower minus statement: 0" in shown.stdout
    told = CliRunner().invoke(app, ["history", str(path), "--json"])
    assert told.exit_code == 0
    values = json.loads(told.stdout)
    assert (values["difference"], values["duplicated"], values["good"]) == ("0", 0, True)
    assert values["followers"]["equity"]["profit"] == "44.36"


def test_a_missing_history_ends_with_usage_error(tmp_path: Path) -> None:
    """Exit code 2, and the message names the file."""
    result = CliRunner().invoke(app, ["history", str(tmp_path / "none.csv")])
    assert result.exit_code == 2
    assert "none.csv: does not exist" in result.stderr


HEADING = (
    "section,ticket,open_time,type,lots,symbol,open_price,stop_loss,take_profit,close_time,close_price,"
    "commission,taxes,swap,profit,comment\n"
)
ROW = "closed,7,2018.05.14 20:45:48,sell,0.10,gbpusd,1.3,,,2018.05.14 21:30:23,1.2,0,0,0,0.40,\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"date,amount\n2018,1\n",
            "is no statement: its first line has no section, ticket, open_time and 11 more",
        ),
        (b"", "got nothing"),
        (b"PK\x03\x04\x14\x00\xff\xfe", "is a zip archive"),
        (b"\x89PNG\r\n\x1a\n\xff", "line 1 is not UTF-8 text"),
        (HEADING.encode("utf-16-le"), "is not text"),
        (HEADING.encode(), "has no rows"),
        ((HEADING + "closed,7\n").encode(), "line 2: columns are missing"),
        ((HEADING + ROW + ROW.replace("0.10", "much")).encode(), "line 3: lots must be a number, got 'much'"),
        ((HEADING + ROW.replace("21:30:23", "21h")).encode(), "line 2: close_time must be like 2018.05.14"),
        ((HEADING + ROW.replace("7", "x", 1)).encode(), "line 2: ticket must be a whole number, got 'x'"),
        ((HEADING + ROW.replace("closed", "shut")).encode(), "line 2: section must be one of closed, open"),
    ],
)
def test_a_file_that_is_no_statement_says_what_is_expected(tmp_path: Path, content: bytes, said: str) -> None:
    """One line with the file, what is wrong in it, and what to give; exit code 2."""
    path = tmp_path / "statement.csv"
    path.write_bytes(content)
    result = CliRunner().invoke(app, ["history", str(path)])
    assert result.exit_code == 2
    assert f"copygate: {path}: " in result.stderr
    assert said in result.stderr
    assert "Give the csv of an MT4 account history" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_folder_is_no_statement(tmp_path: Path) -> None:
    """It exists, so the message does not say that it does not."""
    result = CliRunner().invoke(app, ["history", str(tmp_path)])
    assert result.exit_code == 2
    assert "is a folder, not a statement. Give the csv" in result.stderr


def test_a_statement_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    """Spreadsheets write one; the first column is still the section."""
    path = tmp_path / "statement.csv"
    path.write_text(HEADING + ROW, encoding="utf-8-sig")
    result = CliRunner().invoke(app, ["history", str(path), "--messages"])
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) > 1


def test_a_taken_port_ends_with_environment_error() -> None:
    """Exit code 3, and the message names the port."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        result = CliRunner().invoke(app, ["broker", "--port", port, "--seconds", "1"])
    assert result.exit_code == 3
    assert port in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["broker", "--session", ""], 2, "--session: cannot be used: must be 1 to 64 printable ASCII"),
        (["broker", "--peer", " x"], 2, "--peer: cannot be used"),
        (["broker", "--session", "COPYGATE"], 2, "--session: is the same as --peer, got COPYGATE"),
        (["broker", "--accounts", ""], 2, "--accounts: cannot be used"),
        (["broker", "--accounts", "F1,,F2"], 2, "--accounts: cannot be used"),
        (["broker", "--begin-string", "bogus"], 2, "must be one of FIX.4.2, FIX.4.3, FIX.4.4, FIXT.1.1"),
        (["broker", "--book", "{folder}/none/x.json"], 3, "--book {folder}/none/x.json: the book cannot"),
        (["broker", "--book", "{folder}"], 3, "Is a directory. Name a file in a folder that exists"),
        (["broker", "--store", "{folder}/file"], 3, "--store {folder}/file: the FIX store cannot be written"),
        (["broker", "--store", "/proc/x"], 3, "--store /proc/x: the FIX store cannot be written"),
        (["leader", "--account", ""], 2, "--account: cannot be used"),
        (["leader", "--begin-string", "bogus"], 2, "--begin-string: unknown version of FIX"),
        (["leader", "--book", "{folder}"], 3, "Is a directory"),
        (["history", "{statement}", "--serve", "--session", "COPYGATE"], 2, "is the same as --peer"),
    ],
)
def test_an_option_that_cannot_be_used_ends_before_anything_starts(
    tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    """One line with the option and the bound; no port is told, and nothing is written."""
    (tmp_path / "file").touch()
    names = {"folder": tmp_path, "statement": DATA / "history-mt4-heiken-ashi.csv"}
    result = CliRunner().invoke(app, [*(word.format(**names) for word in words), "--seconds", "1"])
    assert result.exit_code == code, result.output
    assert said.format(**names) in result.stderr
    assert (result.stdout, len(result.stderr.splitlines())) == ("", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_book_is_only_touched_at_the_end(tmp_path: Path) -> None:
    """The check before the start leaves an older book as it was: here the port is taken."""
    book = tmp_path / "book.json"
    book.write_text("older", encoding="utf-8")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = str(holder.getsockname()[1])
        words = ["broker", "--port", port, "--seconds", "1", "--book"]
        assert CliRunner().invoke(app, [*words, str(book)]).exit_code == 3
        assert CliRunner().invoke(app, [*words, str(tmp_path / "new.json")]).exit_code == 3
    assert book.read_text(encoding="utf-8") == "older"
    assert not (tmp_path / "new.json").exists()


def test_a_store_may_have_any_name(tmp_path: Path) -> None:
    """QuickFIX reads the folder's name from its settings as bytes."""
    folder = tmp_path / "Ablage für später"
    result = CliRunner().invoke(app, ["broker", "--seconds", "1", "--store", str(folder)])
    assert result.exit_code == 0, result.output
    assert list(folder.glob("*.seqnums"))


class Simulator:
    """`copygate sim broker` as a process of its own: signals are for processes."""

    def __init__(self, folder: Path, *words: str) -> None:
        self._out, self._errors = folder / "out", folder / "errors"
        with self._out.open("wb") as out, self._errors.open("wb") as errors:
            command = [sys.executable, "-m", "gateway", "sim", "broker", *words]
            self.process = subprocess.Popen(command, cwd=root(), stdout=out, stderr=errors)

    @property
    def errors(self) -> list[str]:
        """What it said on standard error, by line."""
        return self._errors.read_text(encoding="utf-8").splitlines()

    def client(self) -> Client:
        """A gateway that is logged on."""
        self.until(lambda: self._out.read_text(encoding="utf-8").endswith("\n"), "the port is told")
        client = Client(int(self._out.read_text(encoding="utf-8").rpartition(":")[2]), "FIX.4.4")
        client.send("A", "98=0|108=30")
        client.until(35, "A")
        return client

    def signal(self, number: int, lines: int) -> str:
        """Sends a signal, waits until so many lines were said, and gives the last."""
        self.process.send_signal(number)
        self.until(lambda: len(self.errors) >= lines, "the signal is answered")
        return self.errors[-1]

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Polls until it holds."""
        assert wait_until(condition, PATIENCE_MS), f"{what}: {self.errors}"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Simulator]]:
    """Starts simulators, and ends them whatever the test does."""
    started: list[Simulator] = []

    def begin(*words: str) -> Simulator:
        started.append(Simulator(tmp_path, *words))
        return started[-1]

    yield begin
    for one in started:
        one.process.kill()
        one.process.wait()


ORDER = "11={id}|1=F1|55=EURUSD|54=1|38=20000|40=1|59=0|60=20260101-00:00:00.000"


def test_a_signal_busts_the_newest_fill(tmp_path: Path, start: Callable[..., Simulator]) -> None:
    """SIGUSR1: the report names the fill, the book takes it back, standard error says so; then the one before
    it, and when there is none that is said too."""
    book = tmp_path / "book.json"
    simulator = start("--book", str(book))
    client = simulator.client()
    assert simulator.signal(signal.SIGUSR1, 1) == "SIGUSR1: there is no fill to bust"
    fills = []
    for cl_ord_id in ("A1", "A2"):
        client.send("D", ORDER.format(id=cl_ord_id))
        fills.append(first(client.until(39, "2"), 17))
    for lines, (fill, cl_ord_id) in enumerate(zip(reversed(fills), ("A2", "A1"), strict=True), 2):
        said = simulator.signal(signal.SIGUSR1, lines)
        assert said.startswith(f"SIGUSR1: busted {fill}: buy 20000 EURUSD at 1.")
        assert said.endswith(f"account F1, ClOrdID {cl_ord_id}")
        bust = client.until(150, "H")
        assert [first(bust, tag) for tag in (11, 19, 14)] == [cl_ord_id, fill, "0"]
    assert simulator.signal(signal.SIGUSR1, 4) == "SIGUSR1: there is no fill to bust"
    client.close()
    simulator.process.send_signal(signal.SIGTERM)
    assert simulator.process.wait(PATIENCE_MS / 1000) == 0
    written = json.loads(book.read_text(encoding="utf-8"))
    assert [execution["busted"] for execution in written["executions"]] == [True, True]
    assert written["accounts"]["F1"]["positions"] == {}


def test_reports_come_as_late_as_they_are_told_to(start: Callable[..., Simulator]) -> None:
    """--delay-ms is before the acknowledgement, and again before the fill: never less."""
    client = start("--delay-ms", "300").client()
    sent_ns = time.monotonic_ns()
    client.send("D", ORDER.format(id="A1"))
    client.until(39, "0")
    assert time.monotonic_ns() - sent_ns >= 300_000_000
    client.until(39, "2")
    assert time.monotonic_ns() - sent_ns >= 600_000_000
    client.close()


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_leader_command_leaves_a_flat_book(tmp_path: Path, seed: str) -> None:
    """After its time the leader closes everything; the exported book shows trades and no position."""
    book = tmp_path / "book.json"
    arguments = ["leader", "--seconds", "1", "--trade-ms", "20", "--seed", seed, "--book", str(book)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    written = json.loads(book.read_text(encoding="utf-8"))
    assert written["executions"]
    assert written["accounts"]["LEADER"]["positions"] == {}


def test_a_hedging_leader_leaves_no_position(tmp_path: Path) -> None:
    """Every position of his is closed by its name."""
    book = tmp_path / "book.json"
    arguments = ["leader", "--hedging", "--seconds", "1", "--trade-ms", "20", "--book", str(book)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    written = json.loads(book.read_text(encoding="utf-8"))
    assert written["executions"]
    assert (written["accounts"]["LEADER"]["tickets"], written["accounts"]["LEADER"]["positions"]) == ({}, {})


def test_the_leader_trades_only_what_is_named(tmp_path: Path) -> None:
    """A deployment with one instrument gets no alerts for others; an unknown name is a usage error."""
    book = tmp_path / "book.json"
    words = ["leader", "--seconds", "1", "--trade-ms", "20", "--book", str(book), "--instruments"]
    assert CliRunner().invoke(app, [*words, "EURUSD"]).exit_code == 0
    written = json.loads(book.read_text(encoding="utf-8"))
    assert {order["symbol"] for order in written["orders"]} == {"EURUSD"}
    refused = CliRunner().invoke(app, [*words, "EURUSD,USDXXX"])
    assert refused.exit_code == 2
    assert "unknown USDXXX. Known: EURUSD" in refused.stderr


def test_a_replayed_statement_gets_the_present_time_and_no_old_frame() -> None:
    """TransactTime(60) is now, or every open would be stale; 8, 9 and 10 are made anew."""
    old = decode(encode("FIX.4.4", [(35, "8"), (60, "20180514-20:45:48.000"), (37, "1O")]))
    new = fresh(old, 1_750_000_000_000_000_000)
    assert first(new, 60) == "20250615-15:06:40.000"
    assert [tag for tag, _ in new] == [35, 60, 37]
