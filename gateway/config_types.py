"""Types the configuration is written in: exact decimals, names, and the strict base model."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

DECIMAL_PLACES_MAX = 18
"""The core keeps decimals as integers of 10^-18; more places would have to be rounded in silence."""
DECIMAL_MAX = Decimal(10) ** 20
"""The largest magnitude the core takes from text."""

_DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?\Z", re.ASCII)
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$"
"""Names become file names, socket identities and log fields, so they are short and plain."""


class Model(BaseModel):
    """Base of every section: unknown keys are errors, values are not changed after reading.

    Strict: TOML has booleans, whole numbers and text, and a key takes its own kind only.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, validate_default=True
    )


T = TypeVar("T")
Listed = Annotated[tuple[T, ...], Field(strict=False)]
"""A list of the file. Kept as a tuple, which a strict section would not make of it."""
FilePath = Annotated[Path, Field(strict=False)]
"""A path, written as text."""


def read_decimal(value: object) -> Decimal:
    """An exact decimal from TOML text or an integer. A float is refused: it is not what was written."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise PydanticCustomError(
            "decimal_type", "a decimal must be text or an integer, so that it stays exact"
        )
    text = str(value)
    if not _DECIMAL.match(text):
        bound = {"bound": "digits, optionally a point and digits, no exponent"}
        raise PydanticCustomError("decimal_text", "not a decimal number", bound)
    number = Decimal(text)
    if abs(number) > DECIMAL_MAX:
        raise PydanticCustomError("decimal_range", "out of range", {"bound": "-10^20 to 10^20"})
    places = len(text.partition(".")[2].rstrip("0"))
    if places > DECIMAL_PLACES_MAX:
        raise PydanticCustomError(
            "decimal_places", "too many places behind the point", {"bound": "at most 18"}
        )
    return number


def decimal_text(number: Decimal) -> str:
    """The shortest exact text, the way the core writes it: `-0.5`, `1000`, `0`."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _schema(description: str, pattern: str) -> dict[str, Any]:
    return {
        "anyOf": [{"type": "string", "pattern": pattern}, {"type": "integer"}],
        "description": description,
    }


def _not_negative(value: object) -> Decimal:
    number = read_decimal(value)
    if number < 0:
        raise PydanticCustomError("decimal_bound", "must not be negative")
    return number


def _share(value: object) -> Decimal:
    number = read_decimal(value)
    if not 0 < number <= 1:
        raise PydanticCustomError("decimal_bound", "must be above 0 and at most 1")
    return number


def _positive(value: object) -> Decimal:
    number = read_decimal(value)
    if number <= 0:
        raise PydanticCustomError("decimal_bound", "must be above 0")
    return number


_TEXT = PlainSerializer(decimal_text, return_type=str)
_ANY_PATTERN = r"^[+-]?[0-9]+(\.[0-9]+)?$"
_PLUS_PATTERN = r"^\+?[0-9]+(\.[0-9]+)?$"

Dec = Annotated[
    Decimal, BeforeValidator(read_decimal), _TEXT, WithJsonSchema(_schema("Exact decimal.", _ANY_PATTERN))
]
"""An exact decimal: TOML text or integer, never a float."""
NotNegative = Annotated[
    Decimal,
    BeforeValidator(_not_negative),
    _TEXT,
    WithJsonSchema(_schema("Exact decimal, 0 or more.", _PLUS_PATTERN)),
]
"""An exact decimal of 0 or more."""
Positive = Annotated[
    Decimal,
    BeforeValidator(_positive),
    _TEXT,
    WithJsonSchema(_schema("Exact decimal above 0.", _PLUS_PATTERN)),
]
"""An exact decimal above 0."""
Share = Annotated[
    Decimal,
    BeforeValidator(_share),
    _TEXT,
    WithJsonSchema(_schema("Exact decimal above 0, at most 1.", _PLUS_PATTERN)),
]
"""A part of a whole: an exact decimal above 0, at most 1."""
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""The name of a section: a session, leader, route, follower or profile."""
FIX_TEXT_PATTERN = r"^[!-<>-~]([ -<>-~]{0,62}[!-<>-~])?$"
"""1 to 64 printable ASCII characters without `=`, no space at either end."""
FixText = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=FIX_TEXT_PATTERN)]
"""A value that goes on the wire: printable ASCII without `=`, no space at either end."""
Symbol = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[!-~]([ -~]{0,62}[!-~])?$")]
"""A venue's text in Symbol(55), or the name of an instrument."""
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{3,8}$")]
"""A currency code, such as USD."""
