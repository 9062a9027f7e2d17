"""Our words for what pydantic finds wrong with a value: what it is, the value, and how to write it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from pydantic_core import ErrorDetails

from gateway.config_types import FIX_TEXT_PATTERN, NAME_PATTERN

MESSAGES = {
    "string_pattern_mismatch": "not of the right form",
    "greater_than_equal": "too small",
    "less_than_equal": "too large",
    "greater_than": "too small",
    "too_short": "too few",
    "too_long": "too many",
    "string_too_short": "too short",
    "string_too_long": "too long",
    "tuple_type": "must be a list",
    "model_type": "must be a section or { KEY = VALUE }",
    "model_attributes_type": "must be a section or { KEY = VALUE }",
    "dict_type": "must be a section or { KEY = VALUE }",
    "int_type": "not a whole number",
    "string_type": "must be text in quotes",
    "path_type": "must be a path in quotes",
    "bool_type": "must be true or false",
}
WRONG_KIND = frozenset({name for name in MESSAGES if name.endswith("_type")})
"""The value is of another type: it is shown as the file has it, text with its quotes."""
SECTION_TYPES = frozenset({"model_type", "model_attributes_type", "dict_type"})
WRITTEN = {
    "int_type": "Write it without quotes and without a point.",
    "bool_type": "Write true or false, without quotes.",
}
"""A value of another type: how to write it, where the message does not say so."""
PATTERNS = {
    NAME_PATTERN: "1 to 32 letters, digits, - or _, beginning with a letter or digit",
    r"^[A-Za-z0-9][A-Za-z0-9_<-]{0,64}$": "letters, digits, - _ or <, beginning with a letter or digit",
    FIX_TEXT_PATTERN: "printable ASCII without =, no space at either end",
    r"^[!-~]([ -~]{0,62}[!-~])?$": "1 to 64 printable ASCII characters, no space at either end",
    r"^[A-Z0-9]{3,8}$": "3 to 8 capitals or digits",
    r"^[A-Za-z0-9_.:-]+$": "the name or address of a host",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "letters, digits or _, beginning with a letter",
    r"^[a-z_]{1,40}(\.[a-z_]{1,40})?$": "the code of an alert",
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": "HH:MM",
    r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$": "HH:MM:SS",
    r"^tcp://[A-Za-z0-9_.:\[\]-]+:[0-9]{1,5}$": "tcp://ADDRESS:PORT",
    r"^(ipc|tcp://(\*|[A-Za-z0-9_.:\[\]-]+):[0-9]{1,5})$": "ipc or tcp://ADDRESS:PORT",
    r"^(off|ipc|tcp://(\*|[A-Za-z0-9_.:\[\]-]+):[0-9]{1,5})$": "off, ipc or tcp://ADDRESS:PORT",
}
"""The forms of texts in words: nobody reads a regular expression out of a message."""
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+\Z", re.ASCII)


def message_of(details: ErrorDetails) -> str:
    """What is wrong, without the value."""
    text = details["msg"]
    return MESSAGES.get(details["type"], text[:1].lower() + text[1:])


def value_of(details: ErrorDetails) -> object:
    """The value as it stands in the file. A list or section is not repeated, and named where it is wrong."""
    value = details["input"]
    if isinstance(value, dict | list | tuple):
        if details["type"] not in WRONG_KIND:
            return None
        return "a section" if isinstance(value, dict) else _list_of(value)
    if isinstance(value, str) and (details["type"] in WRONG_KIND or not value):
        return f'"{value}"'
    return str(value) if isinstance(value, datetime | date | time) else value


def _list_of(value: list[Any] | tuple[Any, ...]) -> str:
    return "a list of sections" if value and all(isinstance(item, dict) for item in value) else "a list"


def bound_of(context: Mapping[str, Any], kind: str) -> str:
    """The bound that was broken; empty where there is none."""
    if "pattern" in context:
        pattern = str(context["pattern"])
        return PATTERNS.get(pattern, f"text of the form {pattern}")
    of = "items" if kind in ("too_short", "too_long") else "characters"
    signs = {"bound": "{}", "ge": ">= {}", "le": "<= {}", "gt": "> {}", "lt": "< {}",
             "max_length": f"at most {{}} {of}", "min_length": f"at least {{}} {of}"}  # fmt: skip
    return ", ".join(text.format(context[key]) for key, text in signs.items() if key in context)


def hint_of(details: ErrorDetails, meaning: str) -> str:
    """How to write it, and what the key means; of a section as a whole there is no key to explain."""
    kind, value = details["type"], details["input"]
    if isinstance(value, dict) and kind not in WRONG_KIND:
        return ""
    return " ".join(text for text in (_written(kind, value), meaning) if text)


def _written(kind: str, value: object) -> str:
    if kind == "decimal_type" and isinstance(value, float):
        return f'Write "{value}".'
    if kind == "decimal_text" and isinstance(value, str) and _COMMA.match(value):
        return f'Write "{value.replace(",", ".")}".'
    if kind in SECTION_TYPES and isinstance(value, list) and _list_of(value) == "a list of sections":
        return "Write its name in single brackets."
    if kind == "tuple_type" and isinstance(value, dict):
        return "Write [ … ] around it."
    return WRITTEN.get(kind, "")


def not_toml_hint(message: str, line: str) -> str:
    """A way out of what the reader of TOML says about a line."""
    value = line.partition("=")[2].strip()
    if value.split("#")[0].strip().lower() in ("true", "false", "yes", "no", "on", "off"):
        return "Booleans are true and false, in small letters and without quotes."
    if re.match(r"[0-9]+,[0-9]", value):
        return "A number has no comma: 9001, or 9_001; one with a point stands in quotes."
    if "overwrite" in message or "Cannot" in message:
        return "A key or section may stand only once; subscriptions are a list: [[subscriptions]]."
    return "Text needs quotes, and so does a number with a point; a key or section may stand only once."
