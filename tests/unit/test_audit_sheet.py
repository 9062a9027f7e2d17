"""A sheet on screens of every width: a table exactly where it fits, and nothing is ever cut."""

from __future__ import annotations

import pytest
from rich.console import Console

from gateway.audit.sheet import Row, Sheet

SHEET = Sheet(
    ("name", "trades"),
    (("fills", "bought"), ("position", "realised")),
    frozenset(("realised",)),
    note="refusals",
    title="account of ",
    rows=[
        Row(("f1", "EURUSD"), ("12", "1234.5", "-1234.5", "0.00012345"), "XBT", "1 stale"),
        Row(("f2", "GBPUSD"), ("3", "4", "", "-77"), "USD"),
    ],
)
TABLE = [
    "name  trades  fills  bought  position    realised       refusals",
    "f1    EURUSD     12  1234.5   -1234.5  0.00012345  XBT  1 stale",
    "f2    GBPUSD      3       4                   -77  USD",
]


def lines(sheet: Sheet, columns: int) -> list[str]:
    """What a screen of so many columns shows."""
    console = Console(width=columns, legacy_windows=False)
    with console.capture() as found:
        console.print(sheet)
    return [line.rstrip() for line in found.get().splitlines()]


def test_a_table_stands_exactly_where_it_fits() -> None:
    """One column less, and each row has lines of its own: groups apart, amounts with their currency."""
    width = len(TABLE[0])
    assert lines(SHEET, width) == TABLE
    assert lines(SHEET, width - 1) == [
        "account of f1  EURUSD",
        "  fills 12  bought 1234.5",
        "  position -1234.5  realised 0.00012345 XBT",
        "  refusals 1 stale",
        "account of f2  GBPUSD",
        "  fills 3  bought 4",
        "  realised -77 USD",
    ]


@pytest.mark.parametrize("columns", range(20, 80))
def test_no_screen_cuts_or_folds_a_number(columns: int) -> None:
    """Each stands whole on one line, and no line is longer than the screen."""
    shown = lines(SHEET, columns)
    assert max(map(len, shown)) <= columns
    words = {word for line in shown for word in line.split()}
    assert words >= {"12", "1234.5", "-1234.5", "0.00012345", "XBT", "3", "4", "-77", "USD"}


def test_parts_stay_on_a_line_as_long_as_there_is_room() -> None:
    """To the last column."""
    line = "  position -1234.5  realised 0.00012345 XBT"
    assert line in lines(SHEET, len(line))
    assert line.split("  ")[1:] == [
        one.strip()
        for one in lines(SHEET, len(line) - 1)
        if one.strip().startswith(("position", "realised 0"))
    ]


def test_many_remarks_do_not_make_a_table_too_wide() -> None:
    """They go on below, whole words; the figures stay side by side."""
    note = ", ".join(f"{n} a_code_of_refusals_{n}" for n in range(1, 9))
    row = Row(("f1", "EURUSD"), ("1", "2", "3", "4"), "USD", note)
    shown = lines(Sheet(SHEET.names, SHEET.figures, SHEET.money, note=SHEET.note, rows=[row]), 100)
    assert shown[1].startswith(
        "f1    EURUSD      1       2         3         4  USD  1 a_code_of_refusals_1,"
    )
    assert " ".join(line.split("USD ")[-1].strip() for line in shown[1:]) == note
