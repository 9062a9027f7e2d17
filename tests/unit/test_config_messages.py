"""What `check` says to a new user: one mistake is one message, which says what to write instead."""

# ruff: noqa: E501  (a table is read by its lines)

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.config import examine, schema
from gateway.config_words import PATTERNS
from gateway.errors import one_line
from tests.unit.config_text import GOOD, PROFILE, changed, find, problems_of, write

SUB = 'k = "0.5" }'
RULE = '{ mode = "multiplier", k = "0.5" }'
F1 = 'account = "F1"'
DAY = '{ rule = "daily_loss", percent = 5 }'

SAID = [
    # Keys that exclude each other: what to take out.
    (SUB, f'{SUB}\ncopy = "orders"\ncopy_stops = true', "subscriptions[0].copy_stops", 'says nothing with copy = "orders", which mirrors the leader\'s stops with all his orders. Remove copy_stops.'),
    (SUB, f'{SUB}\ncopy_stops = true\non_bust = "follow"', "subscriptions[0].on_bust", 'not possible with copy_stops: stops are not worked out again, and a bust waits for a person. Remove on_bust = "follow", or copy_stops.'),
    (SUB, f'{SUB}\ncopy = "orders"\non_bust = "follow"', "subscriptions[0].on_bust", 'not possible with copy = "orders": mirrored orders are not worked out again, and a bust waits for a person. Remove on_bust = "follow", or copy = "orders".'),
    (RULE, '{ mode = "block" }\ncopy_stops = true', "subscriptions[0].copy_stops", "not possible with a block, which divides what the leader fills: a stop of one member would close lots of its own. Remove copy_stops, or size by another mode."),
    (SUB, f"{SUB}\ncopy_stops = true\nreverse = true", "subscriptions[0].copy_stops", "nothing here. Remove it: bound the loss with guards"),
    (SUB, f"{SUB}\nstop_multiplier = 2", "subscriptions[0].stop_multiplier", 'says nothing without copy_stops = true or copy = "orders". Remove it, or add one of both.'),
    (SUB, f'{SUB}\nahead = "keep"', "subscriptions[0].ahead", 'says nothing without copy = "orders". Remove it, or add copy = "orders".'),
    (SUB, f"{SUB}\ncopy_stops = true", "subscriptions[0].copy_stops", "does not take them, by its profile plain"),
    (SUB, f"{SUB}\nretry_window_ms = 50", "subscriptions[0].retry_window_ms", 'says nothing without on_reject = "retry". Remove it, or add on_reject = "retry".'),
    (SUB, f'{SUB}\non_reject = "retry"', "subscriptions[0].on_reject", "needs retry_window_ms: for how long a rejected open is tried again. Add retry_window_ms = 3000, milliseconds."),
    # A value that only looks right: how it is written.
    (SUB, f"{SUB}\ncopy_stops = true\nstop_multiplier = 1.5", "subscriptions[0].stop_multiplier", 'got 1.5. Write "1.5".'),
    (SUB, f"{SUB}\ncopy_stops = true\nstop_multiplier = true", "subscriptions[0].stop_multiplier", "a decimal must be text or an integer, so that it stays exact, got true. With"),
    ('k = "0.5"', 'k = "50%"', "subscriptions[0].sizing.k", "not a decimal number: must be digits, optionally a point and digits, no exponent, got 50%"),
    ('k = "0.5"', 'k = "0,5"', "subscriptions[0].sizing.k", 'got 0,5. Write "0.5".'),
    ('leader = "alpha"', 'leader = ["alpha"]', "subscriptions[0].leader", "must be text in quotes, got a list. Who is copied."),
    (RULE, '"multiplier"', "subscriptions[0].sizing", 'must be a section or { KEY = VALUE }, got "multiplier"'),
    ("[sessions.LEADER]", "[[sessions.LEADER]]", "sessions.LEADER", "got a list of sections. Write its name in single brackets."),
    ('deployment = "t"', 'deployment = ""', "gateway.deployment", 'got "".'),
    (F1, f"{F1}\nguards = {{ rules = {DAY} }}", "followers.f1.guards.rules", "must be a list, got a section. Write [ … ] around it."),
    # Names.
    (SUB, f"{SUB}\ncopy_stop = true", "subscriptions[0].copy_stop", "unknown key. Did you mean 'copy_stops'?"),
    (SUB, f"{SUB}\ncopi = 1", "subscriptions[0].copi", "unknown key. Did you mean 'copy'?"),
    (SUB, f'{SUB}\ncopy = "stops"', "subscriptions[0].copy", "`orders`, his working orders as well"),
    (F1, f'{F1}\nrestricted = ["gold"]', "followers.f1.restricted[0]", "Did you mean 'GOLD'?"),
    ("[gateway]", "max_position_lots = 5\n[gateway]", "max_position_lots", "unknown key. It belongs into a section: limits.max_position_lots or together.max_position_lots."),
    # Forms in words.
    ("port = 9001", 'port = 9001\nstart_time = "8:00"\nend_time = "17:00:00"', "sessions.LEADER.start_time", "must be HH:MM:SS, got 8:00"),
    ("[gateway]", '[core]\nbind = "0.0.0.0:7001"\n[gateway]', "core.bind", "must be ipc or tcp://ADDRESS:PORT, got 0.0.0.0:7001"),
    ('currency = "USD"', 'currency = "usd"', "instruments.EURUSD.currency", "must be 3 to 8 capitals or digits, got usd"),
    # Of a whole section: no meaning of some key that it stands in.
    ("[gateway]", '[alerts.sinks.a]\nkind = "webhook"\n[gateway]', "alerts.sinks.a", "set one of url, url_file and url_env"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("was", "becomes", "path", "said"), SAID, ids=[f"{row[2]}-{n}" for n, row in enumerate(SAID)]
)
def test_a_message_says_what_to_write(tmp_path: Path, was: str, becomes: str, path: str, said: str) -> None:
    """Read as a person who wrote the line and does not know why it is wrong."""
    find(problems_of(tmp_path, changed(was, becomes)), path, said)


@pytest.mark.parametrize(
    ("was", "becomes", "path", "said"), SAID, ids=[f"{row[2]}-{n}" for n, row in enumerate(SAID)]
)
def test_a_message_has_no_second_colon_before_its_bound(
    tmp_path: Path, was: str, becomes: str, path: str, said: str
) -> None:
    """`path: why: because: must be x` is read twice; and no boolean must be false because it is true."""
    for problem in problems_of(tmp_path, changed(was, becomes)):
        rest = problem.text().split(f"{problem.severity}: ", 1)[1].removeprefix(f"{problem.path}: ")
        before, must, _ = rest.partition(": must be ")
        assert not must or ": " not in before, rest
        assert (problem.bound, problem.value) not in (("false", "true"), ("true", "false")), rest
    assert (
        one_line("a.b", "a block: deals", "alert", "follow", "")
        == "a.b: a block: deals; must be alert, got follow"
    )


def test_a_section_of_a_kind_has_no_hint_about_something_else(tmp_path: Path) -> None:
    """What `alerts.sinks` means helps nobody who forgot an address."""
    text = changed("[gateway]", '[alerts.sinks.a]\nkind = "webhook"\n[gateway]')
    assert find(problems_of(tmp_path, text), "alerts.sinks.a").hint == ""


@pytest.mark.parametrize(
    ("was", "becomes", "path"),
    [
        (F1, f"{F1}\nlimits = 5", "followers.f1.limits"),
        ("assume_flat = true", 'assume_flat = "false"', "leaders.alpha.assume_flat"),
        ('deployment = "t"', 'deployment = ""', "gateway.deployment"),
        ('session = "R1"', 'session = "R1"\nswich = 1', "routes.r1.swich"),
        (
            F1,
            f'{F1}\nguards = {{ rules = [{{ rule = "daily_loss", percent = "5%" }}] }}',
            "followers.f1.guards.rules[0].percent",
        ),
    ],
)
def test_one_mistake_is_one_message(tmp_path: Path, was: str, becomes: str, path: str) -> None:
    """A section that could not be read still uses what it names, and knows its folder of profiles."""
    assert [problem.path for problem in problems_of(tmp_path, changed(was, becomes))] == [path]


@pytest.mark.parametrize(
    ("was", "becomes", "hint"),
    [
        (SUB, f"{SUB}\nreverse = True", "Booleans are true and false, in small letters"),
        (SUB, f"{SUB}\nreverse = yes", "Booleans are true and false, in small letters"),
        ('deployment = "t"', "deployment = t", "Text needs quotes"),
        ("port = 9001", "port = 9,001", "no comma"),
        ("port = 9001", "port = 9001\nport = 9001", "may stand only once"),
        ("[[subscriptions]]", "[subscriptions]", "[[subscriptions]]"),
    ],
)
def test_what_is_not_toml_has_a_hint_of_its_own(tmp_path: Path, was: str, becomes: str, hint: str) -> None:
    """The reader's own words name a line and a column, and no way out."""
    (problem,) = problems_of(tmp_path, changed(was, becomes))
    assert hint in problem.hint


def _patterns(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["pattern"]} if isinstance(node.get("pattern"), str) else set()
        return own.union(*map(_patterns, node.values()))
    return set().union(*map(_patterns, node)) if isinstance(node, list) else set()


def test_every_form_has_words() -> None:
    """Nobody reads a regular expression out of a message. Decimals have their own message."""
    decimals = {found for found in _patterns(schema()) if found.endswith(r"[0-9]+(\.[0-9]+)?$")}
    assert _patterns(schema()) - decimals <= set(PATTERNS)
    assert all(re.compile(pattern) for pattern in PATTERNS)


@pytest.mark.parametrize("copies", ["copy_stops = true", 'copy = "orders"'])
def test_a_hedging_venue_says_which_key_it_cannot_have(tmp_path: Path, copies: str) -> None:
    """And by which profile."""
    file = write(tmp_path, changed(SUB, f"{SUB}\n{copies}"))
    hedging = 'order_types = ["market", "limit", "stop", "stop_limit"]\nposition_model = "hedging"\nposition_id_tag = 721\n'
    (tmp_path / "profiles" / "plain.toml").write_text(
        PROFILE.replace('order_types = ["market"]\n', hedging), "utf-8"
    )
    path = f"subscriptions[0].{copies.split(' ')[0]}"
    problem = find(
        examine(file)[1], path, "the follower's venue keeps positions apart (hedging), by its profile plain"
    )
    assert problem.hint == "Remove it."
    assert GOOD.count("[[subscriptions]]") == 2
