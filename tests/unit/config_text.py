"""A small valid deployment as text, and the ways to spoil it. Tests own their profiles and folders."""

from __future__ import annotations

from pathlib import Path

from gateway.config import examine
from gateway.errors import Problem

GOOD = """\
[gateway]
deployment = "t"
profiles_dir = "profiles"

[instruments.EURUSD]
contract_size = 100000
lot_step = "0.01"
min_lot = "0.01"
max_lot = "50"
tick = "0.00001"
base = "EUR"
currency = "USD"

[instruments.GOLD]
contract_size = 10
lot_step = "0.1"
min_lot = "0.1"
tick = "0.01"
currency = "USD"

[sessions.LEADER]
role = "initiator"
begin_string = "FIX.4.4"
sender_comp_id = "CG"
target_comp_id = "LB"
host = "127.0.0.1"
port = 9001
profile = "plain"

[sessions.R1]
role = "acceptor"
begin_string = "FIX.4.4"
sender_comp_id = "CG"
target_comp_id = "B1"
host = "127.0.0.1"
port = 9002
profile = "plain"

[sessions.R2]
role = "acceptor"
begin_string = "FIX.4.4"
sender_comp_id = "CG"
target_comp_id = "B2"
host = "127.0.0.1"
port = 9003
profile = "plain"

[leaders.alpha]
session = "LEADER"
account = "L1"
currency = "USD"
assume_flat = true

[routes.r1]
session = "R1"

[routes.r2]
session = "R2"

[followers.f1]
route = "r1"
account = "F1"
currency = "USD"

[followers.f2]
route = "r2"
account = "F2"
currency = "USD"

[[subscriptions]]
follower = "f1"
leader = "alpha"
sizing = { mode = "multiplier", k = "0.5" }

[[subscriptions]]
follower = "f2"
leader = "alpha"
sizing = { mode = "equity", k = 1 }
max_ratio = 10
"""
PROFILE = 'begin_string = "FIX.4.4"\naccount_field = "tag1"\norder_types = ["market"]\n'


def write(folder: Path, text: str = GOOD) -> Path:
    """Writes a deployment and its profile; returns the path of the TOML."""
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "profiles" / "plain.toml").write_text(PROFILE, "utf-8")
    file = folder / "gateway.toml"
    file.write_text(text, "utf-8")
    return file


def changed(old: str, new: str, count: int = 1) -> str:
    """The valid deployment with one passage replaced; the passage must be there."""
    assert old in GOOD, old
    return GOOD.replace(old, new, count)


def problems_of(folder: Path, text: str) -> list[Problem]:
    """Every problem of a deployment text."""
    return examine(write(folder, text))[1]


def find(problems: list[Problem], path: str, words: str = "") -> Problem:
    """The problem at a path whose message holds the words; fails with all problems when there is none."""
    for problem in problems:
        if problem.path == path and words in problem.text():
            return problem
    listed = "\n".join(problem.text() for problem in problems)
    raise AssertionError(f"no problem at {path!r} with {words!r} among:\n{listed}")


def line_of(text: str, words: str) -> int:
    """The line of the first occurrence of the words, from 1."""
    return text[: text.index(words)].count("\n") + 1
