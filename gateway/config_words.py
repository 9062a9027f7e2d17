"""Our words for what pydantic finds wrong with a value: what it is, the value, and how to write it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from pydantic_core import ErrorDetails

MESSAGES = {
    "string_pattern_mismatch": "not of the right form",
    "greater_than_equal": "too small",
    "less_than_equal": "too large",
    "greater_than": "too small",
    "too_short": "too few",
    "too_long": "too many",
    "tuple_type": "must be a list",
    "string_too_short": "too short",
    "string_too_long": "too long",
    "model_type": "must be a section",
    "model_attributes_type": "must be a section",
    "dict_type": "must be a section",
    "int_type": "not a whole number",
    "string_type": "must be text in quotes",
    "path_type": "must be a path in quotes",
    "bool_type": "must be true or false",
}
WRITTEN = {
    "int_type": "Write it without quotes and without a point.",
    "string_type": "Put it in quotes.",
    "path_type": "Put it in quotes.",
    "bool_type": "Write true or false, without quotes.",
}
"""A value of another type: how to write it."""


def message_of(details: ErrorDetails) -> str:
    """What is wrong, without the value."""
    text = details["msg"]
    return MESSAGES.get(details["type"], text[:1].lower() + text[1:])


def value_of(details: ErrorDetails) -> object:
    """The value as it stands in the file; None for a table or list, which is not repeated."""
    value = details["input"]
    if isinstance(value, dict | list | tuple):
        return None
    if isinstance(value, str) and details["type"] in WRITTEN:
        return f'"{value}"'
    return str(value) if isinstance(value, datetime | date | time) else value


def bound_of(context: Mapping[str, Any], kind: str) -> str:
    """The bound that was broken; empty where there is none."""
    of = "items" if kind in ("too_short", "too_long") else "characters"
    signs = {"ge": ">= {}", "le": "<= {}", "gt": "> {}", "lt": "< {}", "max_length": f"at most {{}} {of}",
             "min_length": f"at least {{}} {of}", "pattern": "text of the form {}"}  # fmt: skip
    return ", ".join(text.format(context[key]) for key, text in signs.items() if key in context)


def hint_of(details: ErrorDetails, meaning: str) -> str:
    """How to write it, where its type is wrong, and what the key means."""
    return " ".join(text for text in (WRITTEN.get(details["type"], ""), meaning) if text)
