"""`check` says what of a leader is copied: his fills, his stops, his orders, and how far a stop is."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from gateway.check import check
from gateway.errors import ExitCode
from tests.unit.config_text import PROFILE, changed, write

SUB = 'k = "0.5" }'
VENUE = PROFILE.replace('["market"]', '["market", "limit", "stop", "stop_limit"]')
SAID = [
    ("", "fills"),
    ("copy_stops = true", "fills, and the leader's stops"),
    (
        'copy_stops = true\nstop_multiplier = "1.5"',
        "fills, and the leader's stops at 1.5 times their distance",
    ),
    ('copy = "orders"', "orders"),
    ('copy = "orders"\nstop_multiplier = 2', "orders; protective stops at 2 times their distance"),
    ('copy = "orders"\nahead = "keep"', "orders; ahead: keep"),
    (
        'copy = "orders"\nleader_filled = "market_after_s"\nleader_filled_s = 30',
        "orders; leader_filled: market_after_s, 30 s",
    ),
]


def _check(folder: Path, keys: str, width: int, *, as_json: bool = False) -> str:
    file = write(folder, changed(SUB, f"{SUB}\n{keys}"))
    (folder / "profiles" / "plain.toml").write_text(VENUE, "utf-8")
    out = io.StringIO()
    assert check(file, as_json=as_json, console=Console(file=out, width=width)) == ExitCode.OK
    return out.getvalue()


@pytest.mark.parametrize(("keys", "said"), SAID, ids=[said for _, said in SAID])
def test_what_is_copied_is_said_at_every_width(tmp_path: Path, keys: str, said: str) -> None:
    """Of the first subscription; the second one copies fills. On 80 columns it is a line of its own."""
    narrow = _check(tmp_path, keys, 80)
    assert f"    copies: {said}" in [line.rstrip() for line in narrow.splitlines()]
    assert max(map(len, narrow.splitlines()[:-1])) <= 80
    rows = json.loads(_check(tmp_path, keys, 80, as_json=True))["effective"]
    assert {(row["follower"], row["copies"]) for row in rows} == {("f1", said), ("f2", "fills")}
    wide = " ".join(_check(tmp_path, keys, 300).split())
    assert f"copies {said}" in wide
