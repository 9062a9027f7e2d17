"""The csv of an MT4 account history: its rows, or what is wrong with the file and what is expected."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from gateway.errors import UsageError
from gateway.sim.text import EPOCH, decimal_or_none

T = TypeVar("T")
COLUMNS = (
    "section", "ticket", "open_time", "type", "lots", "symbol", "open_price", "close_time", "close_price",
    "commission", "taxes", "swap", "profit", "comment",
)  # fmt: skip
"""Columns that are read, in any order. Others are passed over."""
EXPECTED = f"Give the csv of an MT4 account history, UTF-8, with the columns {', '.join(COLUMNS)}."
BYTES_MAX = 64 * 1024 * 1024
"""A history of 500,000 rows; more is some other file, and all of it is held in memory."""
NAMED_MAX = 3
"""Missing columns named one by one: the hint has all of them."""
ZIP = b"PK\x03\x04"


def read_statement(path: Path, row_of: Callable[[dict[str, str]], T]) -> list[T]:
    """Every row, made by `row_of`, whose ValueError names what it cannot read. Raises UsageError for a file
    that is no statement."""
    rows: list[T] = []
    reader = csv.DictReader(io.StringIO(_text(path), newline=""))
    try:
        _check_columns(path, reader.fieldnames)
        for values in reader:
            if None in values.values():
                raise ValueError("columns are missing")
            rows.append(row_of(values))
    except (csv.Error, ValueError) as error:
        raise UsageError(f"line {reader.line_num}: {error}", path=str(path), hint=EXPECTED) from error
    if not rows:
        raise UsageError("the statement has no rows", path=str(path), hint=EXPECTED)
    return rows


def amount(values: dict[str, str], column: str) -> Decimal:
    """An amount of a row; nothing is zero. ValueError names the column."""
    text = values[column]
    found = decimal_or_none(text) if text else Decimal(0)
    if found is None:
        raise ValueError(f"{column} must be a number, got {text!r}")
    return found


def time_ns(values: dict[str, str], column: str) -> int:
    """Statement time, read as UTC: only the order and the distances matter. ValueError names the column."""
    text = values[column]
    if not text:
        return 0
    try:
        moment = datetime.strptime(text, "%Y.%m.%d %H:%M:%S").replace(tzinfo=UTC) - EPOCH
    except ValueError as error:
        raise ValueError(f"{column} must be like 2018.05.14 20:45:48, got {text!r}") from error
    return (moment.days * 86_400 + moment.seconds) * 1_000_000_000


def _text(path: Path) -> str:
    if not path.exists():
        raise UsageError("does not exist", path=str(path), hint=EXPECTED)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is no file"
        raise UsageError(f"{what}, not a statement", path=str(path), hint=EXPECTED)
    try:
        with path.open("rb") as stream:
            data = stream.read(BYTES_MAX + 1)
    except OSError as error:
        raise UsageError("cannot be read", path=str(path), value=error.strerror, hint=EXPECTED) from error
    if len(data) > BYTES_MAX:
        raise UsageError("too long", path=str(path), bound=f"at most {BYTES_MAX} bytes", hint=EXPECTED)
    if data.startswith(ZIP):
        raise UsageError("is a zip archive, not a statement", path=str(path), hint=f"Unpack it. {EXPECTED}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"line {line} is not UTF-8 text", path=str(path), hint=EXPECTED) from error
    if "\0" in text:
        raise UsageError("is not text", path=str(path), hint=EXPECTED)
    return text


def _check_columns(path: Path, found: object) -> None:
    names = list(found) if isinstance(found, list) else []
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        more = f" and {len(missing) - NAMED_MAX} more" if len(missing) > NAMED_MAX else ""
        raise UsageError(
            f"is no statement: its first line has no {', '.join(missing[:NAMED_MAX])}{more}",
            path=str(path), value=",".join(names) or "nothing", hint=EXPECTED,
        )  # fmt: skip
