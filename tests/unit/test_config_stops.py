"""`copy_stops` is accepted where stops can rest and protect, and refused elsewhere with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import core_config, examine, load
from gateway.errors import Problem
from tests.unit.config_text import PROFILE, changed, find, write

ORDERS = """\
copy = "orders"
stop_multiplier = 2
ahead = "keep"
leader_filled = "cancel_after_s"
leader_filled_s = 3
"""
MARKET = 'order_types = ["market"]\n'


def venue_with(folder: Path, keys: str, text: str) -> list[Problem]:
    """Every problem of a deployment at a venue that these keys describe."""
    file = write(folder, text)
    profile = PROFILE if keys == "" else PROFILE.replace(MARKET, keys)
    (folder / "profiles" / "plain.toml").write_text(profile, encoding="utf-8")
    return examine(file)[1]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("", {"copy": "fills", "copy_stops": False, "stop_multiplier": "1"}),
        (
            'copy_stops = true\nstop_multiplier = "1.5"',
            {"copy": "fills", "copy_stops": True, "stop_multiplier": "1.5"},
        ),
        (
            ORDERS,
            {"copy": "orders", "copy_stops": False, "stop_multiplier": "2", "ahead": "keep",
             "leader_filled": "cancel_after_s", "leader_filled_ms": 3_000},
        ),
    ],
)  # fmt: skip
def test_what_is_copied_reaches_the_core(tmp_path: Path, keys: str, told: dict[str, object]) -> None:
    """Of the first subscription, and of no other."""
    file = write(tmp_path, changed('k = "0.5" }', f'k = "0.5" }}\n{keys}'))
    venue = PROFILE.replace(MARKET, 'order_types = ["market", "limit", "stop", "stop_limit"]\n')
    (tmp_path / "profiles" / "plain.toml").write_text(venue, encoding="utf-8")
    first, second = core_config(load(file))["subscriptions"]
    assert {key: first[key] for key in told} == told
    assert (second["copy"], second["copy_stops"], second["stop_multiplier"]) == ("fills", False, "1")


def test_stops_are_not_copied_into_a_hedging_account(tmp_path: Path) -> None:
    """A stop of all that is held is of no position, and there it would open another one."""
    stops = 'order_types = ["market", "stop", "stop_limit"]\n'
    hedging = 'position_model = "hedging"\nposition_id_tag = 721\n'
    text = changed('k = "0.5" }', 'k = "0.5" }\ncopy_stops = true')
    path = "subscriptions[0].copy_stops"
    found = find(venue_with(tmp_path, stops + hedging, text), path, "would open another one")
    assert found.severity == "error"
    assert not [one for one in venue_with(tmp_path, stops, text) if one.path == path]


def test_stops_need_a_venue_that_takes_them_and_keeps_them(tmp_path: Path) -> None:
    """One kind of stop is a warning, none an error; so is a time in force that does not last, and a block."""
    text = changed('k = "0.5" }', 'k = "0.5" }\ncopy_stops = true')
    path = "subscriptions[0].copy_stops"
    for keys, words, severity in (
        ('order_types = ["market", "stop"]\n', "stop_limit are not copied", "warning"),
        ('order_types = ["market"]\n', "stop, stop_limit are not copied", "error"),
        ('order_types = ["market", "stop", "stop_limit"]\ntifs = ["ioc"]\n', "stay in force", "error"),
    ):
        assert find(venue_with(tmp_path, keys, text), path, words).severity == severity
    block = changed('{ mode = "multiplier", k = "0.5" }', '{ mode = "block" }\ncopy_stops = true')
    assert find(venue_with(tmp_path, "", block), path, "lots of its own").severity == "error"
