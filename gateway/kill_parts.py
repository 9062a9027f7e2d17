"""What a stop of one part means to a route: itself as a whole, or the orders that have a certain field.

A route knows no subscription. Its orders say an account, Account(1), and a symbol, Symbol(55); followers and
instruments are found by those. Where they say too little, more is held back than was meant, never less.
Leaders are in no order: they cannot be told apart here.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config_core import symbols_of
from gateway.config_model import GatewayConfig
from gateway.kill_file import EVERYTHING, LeftStop, write_whole

FASTEST = 1
"""zlib level."""
OWNER_ONLY = 0o600
"""Account texts are in it."""
Texts = dict[str, dict[str, list[str]]]


def packed(config: GatewayConfig) -> bytes:
    """What routes need of followers and subscriptions, which they do not have. Packed: it is wanted in an
    emergency only."""
    routes = {
        name: [route.reserve, bool(config.profile_of(route.session).get("account_on_order", True))]
        for name, route in config.routes.items()
    }
    followers = {name: [one.route, one.account] for name, one in config.followers.items()}
    table = {"routes": routes, "followers": followers, "symbols": _symbols(config)}
    # Routes do nothing with these: who stops by name is told whether there is such a name.
    table |= {"leaders": list(config.leaders), "instruments": list(config.instruments)}
    return zlib.compress(json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode(), FASTEST)


def place_of(state_dir: Path) -> Path:
    """Where the start writes what routes go by, for who stops something without a core."""
    return state_dir / "run" / "stop-names"


def keep(state_dir: Path, packed_parts: bytes) -> None:
    """Writes what routes go by. The configuration file may say something else since. Raises OSError."""
    write_whole(place_of(state_dir), packed_parts, OWNER_ONLY)


@dataclass(frozen=True, slots=True)
class Known:
    """What the routes that run go by."""

    packed_parts: bytes
    table: dict[str, Any]

    def names(self, scope: str) -> list[str]:
        """The names of a scope, `follower` or another one."""
        return list(self.table[f"{scope}s"])

    def routes_under(self, stop: LeftStop) -> list[str]:
        """The routes that hold back something while this stop stands."""
        return [name for name in self.table["routes"] if held(self.packed_parts, name, [stop]).stops]


def kept(state_dir: Path) -> Known | None:
    """What the last start wrote; None where nothing was started here, or nobody can read it."""
    try:
        packed_parts = place_of(state_dir).read_bytes()
        return Known(packed_parts, json.loads(zlib.decompress(packed_parts)))
    except (OSError, ValueError, zlib.error):
        return None


def _symbols(config: GatewayConfig) -> Texts:
    """Route, instrument → the texts that its orders have, under the follower's name and the leader's."""
    found: dict[str, dict[str, dict[str, None]]] = {name: {} for name in config.routes}
    everything: set[str] = set()
    for follower in config.followers.values():
        # Without a list of its own a follower has every instrument, as the one before it.
        if follower.symbols is None:
            if follower.route in everything:
                continue
            everything.add(follower.route)
        for text, instrument in symbols_of(config, follower).items():
            found[follower.route].setdefault(instrument, {})[text] = None
    own = {route: dict(texts) for route, texts in found.items()}
    for item in config.subscriptions:
        route = config.followers[item.follower].route
        for source, target in item.symbol_map.items():
            texts = own[route].get(target.instrument, {})
            found[route][source] = found[route].get(source, {}) | texts
    return {
        route: {name: list(texts) for name, texts in names.items() if texts} for route, names in found.items()
    }


@dataclass(frozen=True, slots=True)
class Held:
    """What a route holds back."""

    level: int = 0
    """Of everything, 0 to 3."""
    parts: tuple[tuple[bytes, int], ...] = ()
    """A field of an order, `1=F1`, and the level of what has it."""
    stops: tuple[LeftStop, ...] = ()
    """The stops that concern this route."""


def held(packed_parts: bytes, me: str, stops: Iterable[LeftStop]) -> Held:
    """What route `me` holds back while these stops stand."""
    level, fields, mine = 0, dict[bytes, int](), list[LeftStop]()
    table = None
    for stop in stops:
        if stop.scope != EVERYTHING and table is None:
            table = json.loads(zlib.decompress(packed_parts))
        under = [b""] if stop.scope == EVERYTHING else _under(table, me, stop)
        for field in under:
            if field:
                fields[field] = max(fields.get(field, 0), stop.number)
            else:
                level = max(level, stop.number)
        if under:
            mine.append(stop)
    return Held(level, tuple(fields.items()), tuple(mine))


def _under(table: Any, me: str, stop: LeftStop) -> list[bytes]:
    """Fields of the orders that a stop holds back on this route; an empty one is the whole route."""
    # A reserve carries orders of the followers of one other route, and of no one else.
    homes = {me, *(name for name, (reserve, _) in table["routes"].items() if reserve == me)}
    if stop.scope == "route":
        return [b""] if stop.name in homes else []
    if stop.scope == "follower":
        home, account = table["followers"].get(stop.name, (None, None))
        if home not in homes:
            return []
        _, on_order = table["routes"][me]
        return [f"1={account}".encode() if on_order and account is not None else b""]
    texts = {text for home in homes for text in table["symbols"].get(home, {}).get(stop.name, ())}
    return [f"55={text}".encode() for text in sorted(texts)]
