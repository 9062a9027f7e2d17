"""Circles where no key says which account a leader is: refused where certain, told where possible."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import Problem
from tests.unit.config_text import PROFILE, changed, find, problems_of


def at_one_broker(leader: str = "") -> str:
    """The leader's session is at the broker of f1's route, and f1 copies it."""
    text = changed('account = "L1"\n', leader).replace('target_comp_id = "LB"', 'target_comp_id = "B1"')
    return text.replace('sender_comp_id = "CG"', 'sender_comp_id = "CGL"', 1)


def rings(problems: list[Problem]) -> list[tuple[str, str, str]]:
    """What is said of circles: severity, place and words."""
    return [(p.severity, p.path, p.message) for p in problems if "in a circle" in p.message]


def test_a_leader_without_an_account_at_a_followers_broker_may_be_that_follower(tmp_path: Path) -> None:
    """Its session may report any account of that broker, also the one that it is copied to."""
    problems = problems_of(tmp_path, at_one_broker())
    assert rings(problems) == [("warning", "subscriptions[0]", "may copy in a circle: alpha → alpha")]
    told = find(problems, "subscriptions[0]", "may copy").text()
    assert 'leader alpha is, and the follower has one there: add account = "…"' in told


@pytest.mark.parametrize("leader", ['account = "L1"\n', 'follower = "f3"\n'])
def test_a_leader_of_which_the_file_says_what_it_is_closes_no_circle(tmp_path: Path, leader: str) -> None:
    """Another account of that broker, or the account of another follower."""
    third = '\n[followers.f3]\nroute = "r1"\naccount = "F3"\n'
    assert rings(problems_of(tmp_path, at_one_broker(leader) + third)) == []


def test_a_possible_circle_over_two_leaders_is_told_once(tmp_path: Path) -> None:
    """alpha to f2, which is beta; beta to f1, which may be alpha."""
    text = at_one_broker().replace('follower = "f1"\nleader = "alpha"', 'follower = "f1"\nleader = "beta"')
    beta = '\n[leaders.beta]\nsession = "BETA"\naccount = "L2"\nassume_flat = true\nfollower = "f2"\n'
    session = (
        '\n[sessions.BETA]\nrole = "initiator"\nbegin_string = "FIX.4.4"\nsender_comp_id = "CG"\n'
        'target_comp_id = "LB2"\nhost = "127.0.0.1"\nport = 9004\nprofile = "plain"\n'
    )
    found = rings(problems_of(tmp_path, text + session + beta))
    assert [(severity, words) for severity, _, words in found] == [
        ("warning", "may copy in a circle: beta → alpha → beta")
    ]


def of_sessions(tmp_path: Path, text: str, field: str) -> list[Problem]:
    """Problems of a file whose leader and f1 are at a venue with one account for each session."""
    problems_of(tmp_path, text)  # makes the folder of profiles
    own = PROFILE.replace("tag1", field)
    (tmp_path / "profiles" / "own.toml").write_text(own, "utf-8")
    (tmp_path / "profiles" / "own42.toml").write_text(own.replace("FIX.4.4", "FIX.4.2"), "utf-8")
    for session in ("LEADER", "R1"):
        head, _, rest = text.partition(f"[sessions.{session}]")
        profile = 'profile = "own42"' if 'begin_string = "FIX.4.2"' in rest[:80] else 'profile = "own"'
        rest = rest.replace('profile = "plain"', profile, 1)
        text = f"{head}[sessions.{session}]{rest}"
    return problems_of(tmp_path, text.replace('account = "F1"\n', ""))


@pytest.mark.parametrize("field", ["comp_id", "none"])
def test_one_account_for_each_session_is_known_by_its_comp_ids(tmp_path: Path, field: str) -> None:
    """Another SenderCompID is another account; the same one at the same broker is the same account."""
    assert rings(of_sessions(tmp_path, at_one_broker(), field)) == []
    same = at_one_broker().replace('sender_comp_id = "CGL"', 'sender_comp_id = "CG"')
    same = same.replace('begin_string = "FIX.4.4"', 'begin_string = "FIX.4.2"', 1)
    found = rings(of_sessions(tmp_path, same, field))
    assert found == [("error", "subscriptions[0]", "copies in a circle: alpha → alpha")]
