"""Where tables and lines for people go. The one place that makes a rich Console.

rich reads `[bold]` as a style and `:100:` as a picture: in paths, names and values both are text.
"""

from __future__ import annotations

import os
import sys

from rich.console import Console

PIPE_COLUMNS = 160
"""Into a file or a pipe nothing needs to be folded."""


def screen(
    columns: int = PIPE_COLUMNS,
    *,
    stderr: bool = False,
    by_env: bool = False,
    markup: bool = False,
    highlight: bool = False,
    soft_wrap: bool = False,
) -> Console:
    """The terminal as it is, or a pipe of so many columns.

    `by_env`: COLUMNS says how many, where it is set. Readline sets it for every child of its process.
    `markup`: for screens that have styles in their own words, and escape what is not their own.
    """
    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if is_terminal or (by_env and "COLUMNS" in os.environ) else columns
    return Console(
        stderr=stderr, width=width, emoji=False, markup=markup, highlight=highlight, soft_wrap=soft_wrap
    )


def say_line(console: Console, text: str) -> None:
    """One line as it is, however long: for people and for grep."""
    console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)
