"""What `audit subscriptions` is told: followers, instruments and prices that there are, or a usage error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.audit_rows import Row, decision, moved
from tests.unit.test_audit_subscriptions_view import asked, written

ROWS = [
    decision(1),
    moved(2, "f1<alpha", "fill", 100, "1.1"),
    moved(3, "f2<beta", "fill", 100, "4000", instrument="XAUUSD"),
]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--price", "EURUSD"], "--price: not INSTRUMENT=PRICE, got EURUSD"),
        (["--price", "=1"], "--price: not INSTRUMENT=PRICE, got =1"),
        (["--price", "EURUSD=x"], "--price: not a decimal number"),
        (["--price", "EURUSD="], "--price: not a decimal number"),
        (["--price", "EURUSD=0"], "--price: no price: must be above 0, got EURUSD=0"),
        (["--price", "EURUSD=-1.1"], "--price: no price: must be above 0, got EURUSD=-1.1"),
        (["--price", "EURUSD=1", "--price", "EURUSD=1"], "--price: two prices of EURUSD"),
        (["--price", "EURSUD=1"], "got EURSUD. Did you mean 'EURUSD'?"),
        (["--price", "XAUUSD=1"], "trades this instrument, got XAUUSD. Followers trade it as GOLD."),
        (["--price", "Q=1"], "got Q. Known: EURUSD, GOLD."),
        (["--follower", "f3"], "--follower: no such follower, got f3. Known: f1, f2."),
    ],
)
def test_what_nothing_knows_is_a_usage_error(tmp_path: Path, words: list[str], said: str) -> None:
    """Exit code 2, one message that names what there is."""
    written(tmp_path, ROWS)
    for more in ([], ["--json"]):
        found = asked(tmp_path, 200, *words, *more)
        assert found.exit_code == 2
        assert found.stdout == ""
        assert said in found.stderr


def test_names_of_the_whole_log_may_be_told_for_one_follower(tmp_path: Path) -> None:
    """One list of prices serves every follower."""
    written(tmp_path, ROWS)
    words = ("--follower", "f2", "--price", "EURUSD=1.2", "--price", "GOLD=4001", "--json")
    found = asked(tmp_path, 200, *words)
    (one,) = json.loads(found.stdout)["subscriptions"]
    assert (one["follower"], one["floating"]) == ("f2", "100")


def test_names_of_the_configuration_are_known_before_their_first_fill(tmp_path: Path) -> None:
    """A follower that did nothing yet shows nothing; it is no mistake."""
    written(tmp_path, ROWS)
    config = tmp_path / "gateway.toml"
    config.write_text(
        f'[gateway]\nstate_dir = "{tmp_path}"\n[followers.f9]\n[instruments.GBPUSD]\n[instruments.XAUUSD]\n'
    )
    words = ("--follower", "f9", "--price", "GBPUSD=1.3", "--json")
    found = asked(None, 200, "--config", str(config), *words)
    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout)["subscriptions"] == []
    assert asked(tmp_path, 200, *words).exit_code == 2
    leaders = asked(None, 200, "--config", str(config), "--price", "XAUUSD=4000")
    assert (leaders.exit_code, "Followers trade it as GOLD" in leaders.stderr) == (2, True)


def test_the_configuration_of_this_folder_is_read_where_nothing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its names are known then; with a state folder it is not asked."""
    written(tmp_path, ROWS)
    (tmp_path / "gateway.toml").write_text(f'[gateway]\nstate_dir = "{tmp_path}"\n[followers.f9]\n')
    monkeypatch.chdir(tmp_path)
    assert asked(None, 200, "--follower", "f9").exit_code == 0
    assert asked(tmp_path, 200, "--follower", "f1").exit_code == 0
    assert asked(tmp_path, 200, "--follower", "f9").exit_code == 2


def command(journal: int, cmd: str, **names: str) -> Row:
    """A command of an operator."""
    said = {"kind": "operator", "journal": str(journal), "command": {"cmd": cmd, "who": "ann", **names}}
    return journal, "operator", json.dumps(said)


def test_commands_count_for_those_that_they_may_have_moved(tmp_path: Path) -> None:
    """By follower, by its subscription, by a leader that it copies; all of them without a follower."""
    told = [
        command(4, "adjust", leader="alpha", instrument="EURUSD"),
        command(5, "adjust", leader="beta", instrument="XAUUSD"),
        command(6, "position", subscription="f2<beta"),
        command(7, "resync", subscription="f1<alpha"),
        command(8, "reconcile", follower="f1"),
        command(9, "reconcile", follower="f2"),
        command(10, "kill", follower="f2"),
    ]
    written(tmp_path, [*ROWS, *told])
    counts = {
        "f1": {"adjust": 1, "resync": 1, "reconcile": 1},
        "f2": {"adjust": 1, "position": 1, "reconcile": 1},
    }
    for follower, expected in counts.items():
        found = json.loads(asked(tmp_path, 200, "--json", "--follower", follower).stdout)
        assert found["by_hand"] == expected
    found = json.loads(asked(tmp_path, 200, "--json").stdout)
    assert found["by_hand"] == {"adjust": 2, "position": 1, "resync": 1, "reconcile": 2}
