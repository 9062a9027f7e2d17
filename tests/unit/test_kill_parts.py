"""What a route holds back of a stop of one part: by its own name, an account or a symbol."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from gateway.config import load, without_followers
from gateway.kill_file import LeftStop
from gateway.kill_parts import Held, held, kept, packed, place_of
from tests.unit.config_text import GOOD, PROFILE, write

RESERVE = """
[sessions.R3]
role = "acceptor"
begin_string = "FIX.4.4"
sender_comp_id = "CG3"
target_comp_id = "B1"
host = "127.0.0.1"
port = 9004
profile = "plain"

[routes.r3]
session = "R3"
"""
TEXT = (
    GOOD.replace('session = "R1"\n', 'session = "R1"\nreserve = "r3"\n')
    .replace('account = "F2"', 'account = "F2"\nsymbols = { "EUR/USD" = "EURUSD", XAU = "GOLD" }')
    .replace(
        'leader = "alpha"\nsizing = { mode = "equity", k = 1 }',
        'leader = "alpha"\nsizing = { mode = "equity", k = 1 }\n'
        'symbol_map = { EURUSD = { instrument = "GOLD", price_factor = "1" } }',
    )
    + RESERVE
)


def parts_of(folder: Path, profile: str = PROFILE, text: str = TEXT) -> bytes:
    """Packed parts of a deployment: f1 on r1, whose reserve is r3; f2 on r2 has symbols of its own."""
    file = write(folder, text)
    (folder / "profiles" / "plain.toml").write_text(profile, "utf-8")
    return packed(load(file))


@pytest.mark.parametrize(
    ("scope", "name", "want"),
    [
        ("global", "", {"r1": 2, "r2": 2, "r3": 2}),
        ("route", "r1", {"r1": 2, "r3": 2}),
        ("route", "r3", {"r3": 2}),
        ("route", "r9", {}),
        ("follower", "f1", {"r1": [b"1=F1"], "r3": [b"1=F1"]}),
        ("follower", "f2", {"r2": [b"1=F2"]}),
        ("follower", "f9", {}),
        ("instrument", "GOLD", {"r1": [b"55=GOLD"], "r2": [b"55=XAU"], "r3": [b"55=GOLD"]}),
        (
            "instrument",
            "EURUSD",
            {"r1": [b"55=EURUSD"], "r2": [b"55=EUR/USD", b"55=XAU"], "r3": [b"55=EURUSD"]},
        ),
        ("instrument", "JPY", {}),
    ],
)
def test_a_route_knows_what_a_stop_means_to_it(
    tmp_path: Path, scope: str, name: str, want: dict[str, int | list[bytes]]
) -> None:
    """A reserve is under the stops of the route that it stands in for; an instrument is stopped under the
    leader's name for it and the follower's."""
    parts, stop = parts_of(tmp_path), LeftStop("close_only", "ann", scope, name)
    found: dict[str, int | list[bytes]] = {}
    for route in ("r1", "r2", "r3"):
        one = held(parts, route, [stop])
        assert one.stops == ((stop,) if route in want else ())
        assert all(level == 2 for _, level in one.parts)
        if one.stops:
            found[route] = one.level or [field for field, _ in one.parts]
    assert found == want


def test_orders_without_an_account_are_all_held_back(tmp_path: Path) -> None:
    """More than was meant, never less."""
    parts = parts_of(tmp_path, PROFILE.replace('"tag1"', '"none"') + "account_on_order = false\n")
    assert held(parts, "r1", [LeftStop("halt", "ann", "follower", "f1")]).level == 3
    assert held(parts, "r2", [LeftStop("halt", "ann", "follower", "f1")]).level == 0


def test_the_highest_level_of_a_field_holds(tmp_path: Path) -> None:
    """Two names may become one symbol."""
    stops = [
        LeftStop("halt", "ann", "instrument", "EURUSD"),
        LeftStop("no_opens", "ann", "instrument", "GOLD"),
        LeftStop("close_only", "ann", "follower", "f2"),
        LeftStop("no_opens", "ann"),
    ]
    found = held(parts_of(tmp_path), "r2", stops)
    assert found.level == 1
    assert dict(found.parts) == {b"55=EUR/USD": 3, b"55=XAU": 3, b"1=F2": 2}


def test_a_weaker_stop_behind_a_harder_one_takes_nothing_back(tmp_path: Path) -> None:
    """Of the whole route, whichever of them is read first."""
    stops = [LeftStop("halt", "ann", "route", "r1"), LeftStop("no_opens", "bob")]
    for order in (stops, stops[::-1]):
        assert held(parts_of(tmp_path), "r1", order).level == 3


def test_a_follower_without_an_account_text_has_all_of_its_route_held_back(tmp_path: Path) -> None:
    """Its orders say no Account(1), so none of them can be told from others."""
    parts = parts_of(tmp_path, PROFILE.replace('"tag1"', '"none"'), TEXT.replace('account = "F1"\n', ""))
    assert held(parts, "r1", [LeftStop("halt", "ann", "follower", "f1")]) == Held(
        3, (), (LeftStop("halt", "ann", "follower", "f1"),)
    )


def test_a_name_stands_for_what_its_symbol_map_makes_of_it_and_no_further(tmp_path: Path) -> None:
    """Two maps of two subscriptions, or of one, are not put behind each other."""
    silver = GOOD[GOOD.index("[instruments.GOLD]") : GOOD.index("[sessions.LEADER]")].replace(
        "GOLD", "SILVER"
    )
    chain = TEXT.replace(
        'symbol_map = { EURUSD = { instrument = "GOLD", price_factor = "1" } }',
        'symbol_map = { GOLD = { instrument = "SILVER" }, EURUSD = { instrument = "GOLD" } }',
    ).replace("[sessions.LEADER]", f"{silver}[sessions.LEADER]")
    chain = chain.replace('XAU = "GOLD" }', 'XAU = "GOLD", XAG = "SILVER" }')
    parts = parts_of(tmp_path, text=chain)
    fields = {
        name: {field for field, _ in held(parts, "r2", [LeftStop("halt", "ann", "instrument", name)]).parts}
        for name in ("EURUSD", "GOLD", "SILVER")
    }
    assert fields == {
        "EURUSD": {b"55=EUR/USD", b"55=XAU"},
        "GOLD": {b"55=XAU", b"55=XAG"},
        "SILVER": {b"55=XAG"},
    }


@pytest.mark.parametrize("data", [None, b"", b"nonsense", zlib.compress(b"{"), zlib.compress(b"{}")[:5]])
def test_names_that_nobody_can_read_are_not_known(tmp_path: Path, data: bytes | None) -> None:
    """A stop is left all the same, and says so."""
    if data is not None:
        (tmp_path / "run").mkdir()
        place_of(tmp_path).write_bytes(data)
    assert kept(tmp_path) is None


def test_a_configuration_without_followers_knows_only_routes(tmp_path: Path) -> None:
    """What a process has after the start is not enough: it is packed before."""
    parts_of(tmp_path)
    bare = packed(without_followers(load(tmp_path / "gateway.toml")))
    assert held(bare, "r1", [LeftStop("halt", "ann", "follower", "f1")]).stops == ()
