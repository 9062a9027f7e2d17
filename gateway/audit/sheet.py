"""Rows of figures: side by side where the screen has room for all of them, below each other where not. Pure.

A number is never cut or folded: half of one reads as another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

ANY_COLUMNS = 10_000
"""Room for every table: what it takes is measured in it."""
NOTE_COLUMNS = 32
"""The widest that a column of remarks may be: they are words, and go on below."""
GAP = "  "


@dataclass(frozen=True, slots=True)
class Row:
    """Names, figures and remarks of one thing, in the order of the sheet's headings."""

    names: tuple[str, ...]
    figures: tuple[str, ...]
    """Empty where a figure is not known."""
    currency: str = ""
    note: str = ""


@dataclass(slots=True)
class Sheet:
    """A renderable: a table, or a few lines for each row."""

    names: tuple[str, ...]
    figures: tuple[tuple[str, ...], ...]
    """Headings, in groups: where they stand below each other, each group begins a line."""
    money: frozenset[str]
    """The figures that are amounts of the row's currency."""
    note: str = ""
    title: str = ""
    """Before the names of a row, where it stands by itself."""
    rows: list[Row] = field(default_factory=list)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """The table, if it fits."""
        table = self._table()
        room = console.options.update(max_width=ANY_COLUMNS)
        if Measurement.get(console, room, table).maximum <= options.max_width:
            yield table
        else:
            yield from (line for row in self.rows for line in self._stacked(row, options.max_width))

    @property
    def _headings(self) -> list[str]:
        return [heading for group in self.figures for heading in group]

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in self.names:
            table.add_column(heading)
        for heading in self._headings:
            table.add_column(heading, justify="right")
        table.add_column("")
        if self.note:
            table.add_column(self.note, overflow="fold", max_width=NOTE_COLUMNS)
        for row in self.rows:
            notes = (row.note,) if self.note else ()
            table.add_row(*map(Text, (*row.names, *row.figures, row.currency, *notes)))
        return table

    def _stacked(self, row: Row, width: int) -> Iterator[Text]:
        yield Text(self.title + GAP.join(row.names), style="bold", overflow="fold")
        said = dict(zip(self._headings, row.figures, strict=True))
        for group in self.figures:
            known = [heading for heading in group if said[heading]]
            units = {heading: f" {row.currency}" if heading in self.money else "" for heading in known}
            yield from _lines((f"{heading} {said[heading]}{units[heading]}" for heading in known), width)
        if row.note:
            yield from _lines(f"{self.note} {row.note}".split(" "), width, " ")


def _lines(parts: Iterable[str], width: int, gap: str = GAP) -> Iterator[Text]:
    """As many parts on a line as there is room for."""
    line = ""
    for part in parts:
        if line and len(GAP + line + gap + part) > width:
            yield Text(GAP + line, overflow="fold")
            line = ""
        line += (gap if line else "") + part
    if line:
        yield Text(GAP + line, overflow="fold")
