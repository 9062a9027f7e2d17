"""`copygate whatif` as a user calls it: what it prints, its exit codes, and what it says to bad input."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gateway.whatif_compare import Comparison, Numbers, Part, compare, exact, rows
from gateway.whatif_view import render, summary
from tests.e2e.test_bad_start import obey_permissions
from tests.unit.config_text import changed, write
from tests.unit.whatif_rig import Recording, side

ENVIRONMENT, STATE, USAGE = 3, 4, 2
TWICE = changed('mode = "multiplier", k = "0.5"', 'mode = "multiplier", k = 1')


def call(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """One call of the program."""
    command = [sys.executable, "-m", "gateway", "whatif", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture
def told(tmp_path: Path) -> Recording:
    """A leader who holds something at the end."""
    recording = Recording(tmp_path)
    recording.quote("1.1", "1.1002")
    recording.trade(100_000)
    recording.quote("1.2", "1.2002")
    recording.trade(-40_000)
    return recording


def new(folder: Path, text: str = TWICE) -> Path:
    """The configuration to try."""
    (folder / "new").mkdir(exist_ok=True)
    return write(folder / "new", text)


def test_the_table_shows_both_sides_the_difference_and_what_was_recorded(told: Recording) -> None:
    """Differences are marked, followers without one are named, one line says what it comes to."""
    done = call(new(told.folder), "--journal", told.path)
    assert (done.returncode, done.stderr) == (0, "")
    line = {row.split("│")[2].strip(): row.split("│")[3:8] for row in done.stdout.splitlines() if "│" in row}
    assert [cell.strip() for cell in line["lots opened EURUSD"]] == ["0.5", "1", "≠", "+0.5", "0"]
    assert [cell.strip() for cell in line["lots at the end EURUSD"]] == ["0.3", "0.6", "≠", "+0.3", "0"]
    assert [cell.strip() for cell in line["realised USD"]] == ["1996.00", "3992.00", "≠", "+1996.00", "0.00"]
    assert [cell.strip() for cell in line["orders"]] == ["2", "2", "", "", "0"]
    assert "No difference for 1 follower(s): f2" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith(
        "Rows 1 to 6 of the journal, 2026-11-25 09:46:40 to 2026-11-25 09:46:44: 2 leader exec"
    )
    assert last.endswith(
        "1 of 2 follower(s) differ: orders 2 → 2, refusals 1 → 1, profit and loss 4990.00 → 9980.00 USD. "
        "Nothing was sent."
    )


def test_json_is_one_object_with_exact_numbers_and_the_measured_speed(told: Recording) -> None:
    """Everything that the table says and more, as text where it is a quantity or an amount."""
    done = call(new(told.folder), "--journal", told.path, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["ok"]
    assert found["differs"]
    f1, f2 = found["followers"]
    assert (f1["differs"], f2["differs"]) == (True, False)
    assert f1["new"] == {
        "orders": 2, "lots_opened": {"EURUSD": "1"}, "refusals": {}, "positions": {"EURUSD": "0.6"},
        "realised": {"USD": "3992"}, "floating": {"USD": "5988"},
    }  # fmt: skip
    assert [own["name"] for own in f1["subscriptions"]] == ["f1<alpha"]
    assert found["timing"]["events_per_s"] > 0
    assert found["rows"] == 6
    again = json.loads(call(new(told.folder), "--journal", told.path, "--json").stdout)
    assert {**found, "timing": 0} == {**again, "timing": 0}


def test_without_a_journal_the_one_of_the_state_folder_is_taken(told: Recording) -> None:
    """A copy of the configuration beside the original is the usual case."""
    path = told.done()
    core = told.folder / "new" / "state" / "core"
    core.mkdir(parents=True)
    shutil.copy(path, core / "journal.db")
    assert call(new(told.folder)).returncode == 0
    shutil.rmtree(core)
    missing = call(new(told.folder))
    assert missing.returncode == USAGE
    assert f"{core / 'journal.db'}: no journal here" in missing.stderr


def test_a_copy_may_have_any_name_and_a_folder_is_looked_into(told: Recording) -> None:
    """Copies are named after days; the state folder of the core is what people have at hand."""
    path = told.done()
    copy = told.folder / "2026-11-25.copy"
    shutil.copy(path, copy)
    for name in (copy, told.folder):
        assert "Rows 1 to 6" in call(new(told.folder), "--journal", name).stdout


def test_everything_that_check_says_is_said_first(told: Recording) -> None:
    """Errors stand in the place of the table, with their lines, and the code is 2."""
    bad = new(told.folder, TWICE.replace("port = 9001", "port = 0"))
    done = call(bad, "--journal", told.path)
    assert done.returncode == USAGE
    assert f"{bad}:" in done.stdout
    assert "error: sessions.LEADER.port" in done.stdout
    assert done.stdout.endswith("1 error(s), 0 warning(s). Nothing was compared.\n")
    as_json = json.loads(call(bad, "--journal", told.path, "--json").stdout)
    assert (as_json["ok"], as_json["problems"][0]["path"]) == (False, "sessions.LEADER.port")


def test_warnings_of_check_come_before_the_table(told: Recording) -> None:
    """They may explain the numbers below."""
    text = TWICE.replace('account = "L1"\n', "").replace("assume_flat = true\n", "")
    done = call(new(told.folder, text), "--journal", told.path)
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert "warning: leaders.alpha" in first
    assert (
        "Note: leader alpha begins with other positions than in the recording's configuration" in done.stdout
    )
    assert "leader_position_unknown" in done.stdout


def _text_file(told: Recording, path: Path) -> None:
    path.write_text("this is no database, and long enough to be looked at\n" * 100, "utf-8")


def _empty_file(told: Recording, path: Path) -> None:
    path.touch()


def _another_database(told: Recording, path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("create table rows (seq integer)")


def _cut(told: Recording, path: Path) -> None:
    path.write_bytes(told.done().read_bytes()[:6_000])


def _changed_row(told: Recording, path: Path) -> None:
    shutil.copy(told.done(), path)
    with sqlite3.connect(path) as database:
        database.execute(
            "update rows set payload = cast(replace(payload, x'31', x'32') as blob) where seq = 4"
        )


def _missing_rows(told: Recording, path: Path) -> None:
    shutil.copy(told.done(), path)
    with sqlite3.connect(path) as database:
        database.execute("delete from rows where seq < 3")


def _unknown_kind(told: Recording, path: Path) -> None:
    shutil.copy(told.done(), path)
    with sqlite3.connect(path) as database:
        database.execute("update rows set kind = 'nonsense' where seq = 1")


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (_text_file, STATE, "the file is not a journal"),
        (_empty_file, STATE, "the file is empty"),
        (_another_database, STATE, "the file is a database, but not a journal"),
        (_cut, STATE, "torn or truncated"),
        (_changed_row, STATE, "row 4: its bytes do not match its checksum"),
        (_missing_rows, STATE, "row 1: it is missing, the next one is 3"),
        (_unknown_kind, STATE, "row 1: unknown event kind"),
    ],
)
def test_a_file_that_is_no_journal_is_named(told: Recording, spoil: Any, code: int, words: str) -> None:
    """One line: the file, what is wrong with it, and what to do; never a traceback."""
    path = told.folder / "bad.db"
    spoil(told, path)
    done = call(new(told.folder), "--journal", path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert str(path) in done.stderr
    assert "Name the journal of a deployment" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_journal_without_rows_is_said(told: Recording) -> None:
    """A core that was killed before its first row leaves one."""
    path = told.folder / "bad.db"
    shutil.copy(told.done(), path)
    with sqlite3.connect(path) as database:
        database.execute("delete from rows")
    done = call(new(told.folder), "--journal", path)
    assert (done.returncode, done.stderr) == (USAGE, f"copygate: {path}: it has no rows yet\n")


def test_the_journal_of_another_deployment_is_refused(told: Recording) -> None:
    """The same names in another deployment are other accounts."""
    file = new(told.folder, TWICE.replace('deployment = "t"', 'deployment = "u"'))
    done = call(file, "--journal", told.path)
    assert done.returncode == USAGE
    assert (
        f"gateway.deployment: {told.path} is the journal of another deployment: must be 't', got u."
        in done.stderr
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--from", "yesterday"], "--from: not a time"),
        (["--to", "2026-13-01"], "--to: not a time"),
        (["--from", "2027-01-01"], "no row of the journal is between --from and --to"),
        (["--to", "2026-11-24"], "no row of the journal is between --from and --to"),
        (
            ["--from", "2026-11-25T09:46:45", "--to", "2026-11-25T09:46:43"],
            "no row of the journal is between",
        ),
    ],
)
def test_a_span_without_rows_is_said(told: Recording, options: list[str], words: str) -> None:
    """An empty comparison would look like "no difference"."""
    done = call(new(told.folder), "--journal", told.path, *options)
    assert done.returncode == USAGE
    assert words in done.stderr


def test_a_running_gateway_is_not_disturbed(told: Recording) -> None:
    """The writer stays open, the comparison reads beside it and writes nothing, and the writer goes on."""
    before = told.path.read_bytes()
    done = call(new(told.folder), "--journal", told.path)
    assert done.returncode == 0, done.stderr
    assert told.path.read_bytes() == before
    told.trade(10_000)
    assert "Rows 1 to 7" in call(new(told.folder), "--journal", told.path).stdout


def test_a_file_that_may_not_be_read_is_named(told: Recording) -> None:
    """Code 3, and what this user needs."""
    path = told.done()
    file = new(told.folder)
    for parent in (told.folder, told.folder / "new", told.folder / "new" / "profiles"):
        parent.chmod(0o755)
    path.chmod(0)
    done = call(file, "--journal", path, preexec_fn=obey_permissions)
    assert done.returncode == ENVIRONMENT, done.stderr
    assert str(path) in done.stderr
    assert "May this user read the file" in done.stderr


def test_every_number_is_shown_exactly() -> None:
    """Lots and counts are never rounded; amounts in the table are: `test_amounts`."""
    assert [exact(Fraction(text)) for text in ("0", "-1/8", "1200", "1/3", "-0.001")] == [
        "0", "-0.125", "1200", "1/3", "-0.001",
    ]  # fmt: skip


def test_what_is_not_known_or_not_there_is_not_shown_as_a_number() -> None:
    """A busted fill makes an amount unknown; a follower that a side lacks has no cells there."""
    old = Numbers(orders=1, realised={"USD": None}, floating={"USD": Fraction(0)})
    orders, realised, _ = rows(Part("f1", old=old, new=None, recorded=old))
    assert (orders.old, orders.new, orders.difference, orders.recorded) == ("1", "", "", "1")
    assert (realised.label, realised.old, realised.new, realised.differs) == ("realised USD", "?", "", True)


def _side(*positions: tuple[str, str, str]) -> dict[str, Any]:
    """A side of a report: (follower, subscription, units of EURUSD)."""
    line = {"instrument": "EURUSD", "currency": "USD", "contract_size": "100000", "orders": 1, "opened": "0",
            "realised": "0", "floating": "0"}  # fmt: skip
    subscriptions = [
        {"follower": follower, "name": name, "refusals": {}, "lines": [{**line, "position": units}]}
        for follower, name, units in positions
    ]
    return {"subscriptions": subscriptions, "refusals": {}, "alerts": {}, "leaders": []}


def _found(old: list[tuple[str, str, str]], new: list[tuple[str, str, str]]) -> Comparison:
    rows = {"first_row": 1, "last_row": 2, "first_ns": "0", "last_ns": "0"}
    return compare({**rows, "old": _side(*old), "new": _side(*new), "recorded": _side()})


def test_subscriptions_whose_differences_make_up_for_each_other_are_a_difference() -> None:
    """The follower's sums are equal; what it copies from whom is not."""
    found = _found([("f", "f<a", "1000"), ("f", "f<b", "2000")], [("f", "f<a", "2000"), ("f", "f<b", "1000")])
    (follower,) = found.differing
    assert follower.old == follower.new
    assert [part.differs for part in follower.subscriptions.values()] == [True, True]


def test_an_amount_that_is_not_known_is_no_number_in_the_summary_either() -> None:
    """A trade without a price leaves profit and loss open."""
    found = _found([("f", "f<a", "1000")], [("f", "f<a", "2000")])
    side(found.total.new).realised["USD"] = None
    assert "profit and loss 0.00 → ? USD" in summary(found)


def test_a_long_list_is_cut_and_says_so() -> None:
    """A thousand followers do not scroll by unasked; the number that is not shown is."""
    many = [f"f{n}" for n in range(25)]
    found = _found(
        [(name, f"{name}<a", "1000") for name in [*many, "same"]],
        [(name, f"{name}<a", "1000" if name == "same" else "2000") for name in [*many, "same"]],
    )
    texts = []
    for every in (False, True):
        console = Console(width=120, record=True, file=io.StringIO())
        render(console, found, ["a note"], by_subscription=True, every=every)
        texts.append(console.export_text())
    assert "Note: a note" in texts[0]
    assert "5 more followers differ: --all shows every follower." in texts[0]
    assert "No difference for 1 follower(s): same" in texts[0]
    assert [f"│ {name} " in texts[0] for name in ("f19", "f20", "same")] == [True, False, False]
    assert [f"│ {name} " in texts[1] for name in ("f19", "f20", "same")] == [True, True, True]
    assert "25 of 26 follower(s) differ" in texts[1]
