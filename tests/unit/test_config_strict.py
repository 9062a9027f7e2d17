"""A key takes what TOML has for it and nothing that only looks like it: `"yes"` and 1 are no booleans."""

# ruff: noqa: E501  (a table is read by its lines)

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from pydantic import ValidationError

from gateway.config_types import Dec, Model, NotNegative, Positive
from tests.unit.config_text import changed, find, problems_of

WRONG: dict[type, tuple[object, ...]] = {
    bool: (1, 0, 1.0, "true", "yes", "on", "1"),
    int: (True, 5.0, "5", 5.5, Decimal(5)),
    str: (True, 5, 5.0),
    Path: (True, 5, 5.0),
}
"""What only looks like a value of the type."""
DECIMALS = (Dec, NotNegative, Positive)
SUB = 'k = "0.5" }'


def _models(owner: type[Model] = Model) -> Iterator[type[Model]]:
    for model in owner.__subclasses__():
        if model.__module__.startswith("gateway."):
            yield model
            yield from _models(model)


def _plain(hint: Any) -> type | None:
    """What the values of a key are: bool, int, text or path; None of tables, lists, sections and decimals."""
    if hint in WRONG:
        found: type = hint
        return found
    if hint in DECIMALS or get_origin(hint) in (dict, tuple):
        return None
    if get_origin(hint) is Literal:
        return str
    inner = [_plain(item) for item in get_args(hint)]
    return next((item for item in inner if item is not None), None)


KEYS = [
    pytest.param(model, info.alias or name, kind, id=f"{model.__name__}.{info.alias or name}")
    for model in dict.fromkeys(_models())
    for name, info in model.model_fields.items()
    for kind in [_plain(get_type_hints(model, include_extras=True)[name])]
    if kind is not None
]


def test_the_keys_are_found() -> None:
    """The walk knows keys of every kind, so that the next test is about something."""
    ids = {str(key.id) for key in KEYS}
    assert {"SubscriptionConfig.copy_stops", "SessionConfig.port", "SessionConfig.host"} <= ids
    assert {"GatewaySection.state_dir", "DailyLoss.auto_reset", "LimitSet.price_collar_window_s"} <= ids


@pytest.mark.parametrize(("model", "key", "kind"), KEYS)
def test_a_key_takes_its_own_type_only(model: type[Model], key: str, kind: type) -> None:
    """Every boolean, whole number, text and path of every section."""
    for value in WRONG[kind]:
        with pytest.raises(ValidationError) as caught:
            model.model_validate({key: value})
        assert (key,) in [error["loc"][:1] for error in caught.value.errors()], f"{value!r} was taken"


@pytest.mark.parametrize(
    ("was", "becomes", "path", "said"),
    [
        (SUB, f"{SUB}\ncopy_stops = 1", "subscriptions[0].copy_stops", 'must be true or false, got 1'),
        (SUB, f'{SUB}\ncopy_stops = "yes"', "subscriptions[0].copy_stops", 'must be true or false, got "yes"'),
        (SUB, f'{SUB}\nreverse = "true"', "subscriptions[0].reverse", "Write true or false, without quotes"),
        ("port = 9001", 'port = "9001"', "sessions.LEADER.port", 'not a whole number, got "9001"'),
        ("port = 9001", "port = 9001.0", "sessions.LEADER.port", "without quotes and without a point"),
        ("port = 9001", "port = true", "sessions.LEADER.port", "not a whole number, got true"),
        (SUB, f'{SUB}\nfilters = {{ tags = [["58", "x"]] }}', "subscriptions[0].filters.tags[0][0]", "not a whole"),
        ('account = "L1"', "account = 1", "leaders.alpha.account", "must be text in quotes, got 1"),
        ('profiles_dir = "profiles"', "profiles_dir = 1", "gateway.profiles_dir", "must be a path in quotes"),
        ("port = 9001", "port = 9001\nstart_time = 08:00:00", "sessions.LEADER.start_time", "got 08:00:00"),
        ('account = "F1"', 'account = "F1"\nrestricted = "GOLD"', "followers.f1.restricted", "must be a list"),
        ('account = "F1"', 'account = "F1"\nsymbols = { E = 1 }', "followers.f1.symbols.E", "text in quotes, got 1"),
    ],
)  # fmt: skip
def test_check_says_how_it_is_written(tmp_path: Path, was: str, becomes: str, path: str, said: str) -> None:
    """The value as it stands in the file, and what to write."""
    problem = find(problems_of(tmp_path, changed(was, becomes)), path, said)
    assert problem.severity == "error"
