"""Every key of the configuration as Markdown tables, from the models that read the file."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.config_model import GatewayConfig
from gateway.config_read import TAGS
from gateway.config_types import (
    Currency,
    Dec,
    FixText,
    Name,
    NotNegative,
    Positive,
    Share,
    Symbol,
    decimal_text,
)

NAMED: list[tuple[Any, str, str]] = [
    (Positive, "decimal", "above 0"),
    (Share, "decimal", "above 0, at most 1"),
    (NotNegative, "decimal", "0 or more"),
    (Dec, "decimal", ""),
    (Name, "name", "1 to 32 letters, digits, `-`, `_`; begins with a letter or digit"),
    (FixText, "text", "1 to 64 printable ASCII characters without `=`, no space at either end"),
    (Symbol, "text", "1 to 64 printable ASCII characters, no space at either end"),
    (Currency, "currency code", "3 to 8 capitals or digits"),
]
"""Types that have a name in the code, with their words and bounds. The first that is equal counts."""
PLAIN: dict[Any, str] = {bool: "true or false", int: "integer", str: "text", Path: "path"}
UNITS = {
    "per_s": "messages a second",
    "ms": "milliseconds",
    "us": "microseconds",
    "s": "seconds",
    "bps": "basis points",
    "lots": "lots",
    "lot": "lots",
    "percent": "percent",
}
"""The unit that the end of a key's name says."""
Found = tuple[type[BaseModel], str]
"""A model, and the key that it stands at."""


def cell(text: str) -> str:
    """Text that may stand in a table's cell: one line, no bare bar."""
    return " ".join(text.split()).replace("|", "\\|")


def row(*cells: str) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |\n"


def sections() -> str:
    """One table for each model, in the order in which the file's models name them."""
    places: dict[type[BaseModel], list[str]] = {}
    for model, place in _walk(GatewayConfig, ""):
        places.setdefault(model, []).append(place)
    titles = {model: _title(model, found) for model, found in places.items()}
    return "\n".join(_section(model, found, titles) for model, found in places.items())


def _walk(model: type[BaseModel], place: str) -> Iterator[Found]:
    yield model, place
    hints = get_type_hints(model, include_extras=True)
    for name, info in model.model_fields.items():
        key = f"{place}.{info.alias or name}".lstrip(".")
        for inner, suffix in _models(hints[name]):
            yield from _walk(inner, key + suffix)


def _models(hint: Any) -> Iterator[Found]:
    """Models inside a type; those of a table are reached by a name."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint, ""
        return
    suffix = ".NAME" if get_origin(hint) is dict else ""
    for argument in get_args(hint) if get_origin(hint) is not Literal else ():
        for model, rest in _models(argument):
            yield model, suffix + rest


def _title(model: type[BaseModel], places: list[str]) -> str:
    place = min(places, key=lambda text: (text.count("."), places.index(text)))
    tags = _tags(model)
    return (f"`{place}`" if place else "The file") + (f" with {tags}" if tags else "")


def _tags(model: type[BaseModel]) -> str:
    """What tells a model from others at the same key: `mode = "fixed"`."""
    for name in TAGS:
        if name in model.model_fields:
            values = get_args(model.model_fields[name].annotation)
            return f"`{name}` = " + " or ".join(f'`"{value}"`' for value in values)
    return ""


def anchor(title: str) -> str:
    """The fragment that a heading has on a rendered page."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _section(model: type[BaseModel], places: list[str], titles: dict[type[BaseModel], str]) -> str:
    distinct = list(dict.fromkeys(places))
    also = f"\n\nStands at {', '.join(f'`{place}`' for place in distinct)}." if len(distinct) > 1 else ""
    head = f"## {titles[model]}\n\n{' '.join(inspect.cleandoc(model.__doc__ or '').split())}{also}\n\n"
    hints = get_type_hints(model, include_extras=True)
    rows = [_key(info.alias or name, info, hints[name], titles) for name, info in model.model_fields.items()]
    return (
        head + row("key", "type", "bounds", "default", "meaning") + "|---|---|---|---|---|\n" + "".join(rows)
    )


def _key(key: str, info: FieldInfo, hint: Any, titles: dict[type[BaseModel], str]) -> str:
    if not info.description:
        raise SystemExit(f"the key {key} has no docstring")
    words, bounds = _type(hint, titles)
    unit = next((unit for end, unit in UNITS.items() if key == end or key.endswith(f"_{end}")), "")
    of_type = FieldInfo.from_annotation(hint).metadata
    said = [bounds] if bounds else []
    said += _bounds([item for item in info.metadata if item not in of_type])
    if unit and words in ("integer", "decimal"):
        words = f"{words}, {unit}"
    return row(f"`{key}`", words, "; ".join(said) or "–", _default(info), cell(info.description))


def _type(hint: Any, titles: dict[type[BaseModel], str]) -> tuple[str, str]:
    """A type in words, and the bounds that the type itself has. A type without words is an error."""
    for known, words, bounds in NAMED:
        if hint == known:
            return words, bounds
    if hint in PLAIN:
        return PLAIN[hint], ""
    if hint in titles:
        return f"[{titles[hint]}](#{anchor(titles[hint])})", ""
    origin, arguments = get_origin(hint), [item for item in get_args(hint) if item is not NoneType]
    if origin is Annotated:
        words, bounds = _type(arguments[0], titles)
        return words, ", ".join([*([bounds] if bounds else []), *_bounds(list(arguments[1:]))])
    if origin is Literal:
        one_of = "one of " if len(arguments) > 1 else ""
        return one_of + ", ".join(f"`{item}`" for item in arguments), ""
    if origin in (Union, UnionType):
        inner = [_type(item, titles) for item in arguments]
        return " or ".join(words for words, _ in inner), ", ".join(bounds for _, bounds in inner if bounds)
    if origin in (dict, tuple):
        inner = [_type(item, titles) for item in arguments if item is not ...]
        parts = [text for text, _ in inner]
        # Parts of a list in a list have said already which of them a bound is for.
        told = [bound if text.startswith("[") else f"each {text} {bound}" for text, bound in inner if bound]
        each = "; ".join(dict.fromkeys(told))
        if origin is dict:
            return f"table: {parts[0]} = {parts[1]}", each
        return (f"list of {parts[0]}" if arguments[-1] is ... else f"[{', '.join(parts)}]"), each
    raise SystemExit(f"no words for the type {hint}")


def _bounds(metadata: list[Any]) -> list[str]:
    """Bounds of a field: of its value, of its length, its pattern."""
    found: dict[str, Any] = {}
    for item in metadata:
        parts = item.metadata if isinstance(item, FieldInfo) else [item]
        for part in parts:
            for name in ("ge", "gt", "le", "lt", "min_length", "max_length", "pattern"):
                value = getattr(part, name, None)
                if value is not None:
                    found[name] = value
    said = _range(found.get("ge"), found.get("le"), "")
    said += [f"above {found['gt']:,}"] if "gt" in found else []
    said += [f"below {found['lt']:,}"] if "lt" in found else []
    said += _range(found.get("min_length"), found.get("max_length"), "length ")
    return said + ([f"`{cell(found['pattern'])}`"] if "pattern" in found else [])


def _range(low: int | None, high: int | None, what: str) -> list[str]:
    if low is not None and high is not None:
        return [f"{what}{low:,} to {high:,}"]
    if high is not None:
        return [f"{what}at most {high:,}"]
    return [f"{what}at least {low:,}"] if low is not None else []


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return "not set"
    if isinstance(value, BaseModel):
        return "every key's default"
    if isinstance(value, tuple | dict) and not value:
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int):
        return f"`{value}`"
    if isinstance(value, Decimal):
        return f'`"{decimal_text(value)}"`'
    if isinstance(value, str | Path):
        return f'`"{value}"`'
    raise SystemExit(f"no words for the default {value!r}")
