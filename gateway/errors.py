"""Operating errors: something outside the program is wrong, and a person can put it right.

A refusal to copy is data and lives in the core. A bug is an assertion. What is here carries the path
of the thing that is wrong, the value found, the bound it broke, and a hint that says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Literal

Severity = Literal["error", "warning"]

VALUE_CHARS_MAX = 64
"""A value is quoted in a message up to this length: a message stays on one line of a log."""


class ExitCode(IntEnum):
    """What the process tells its supervisor."""

    OK = 0
    BAD_RESULT = 1
    USAGE = 2
    ENVIRONMENT = 3
    STATE = 4
    """A state file is damaged, or replay decides otherwise: no start succeeds until a person acts."""
    INTERNAL = 70
    RETRY = 75
    """The disk is full: a later start may succeed (sysexits.h names this code so)."""


class OperatingError(Exception):
    """Something outside the program is wrong; the message says what to do about it."""

    exit_code: ExitCode = ExitCode.ENVIRONMENT

    def __init__(
        self,
        message: str,
        *,
        path: str = "",
        value: object = None,
        bound: str = "",
        hint: str = "",
        exit_code: ExitCode | None = None,
    ) -> None:
        self.message = message
        self.path = path
        self.value = value
        self.bound = bound
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code
        super().__init__(self.text())

    def text(self) -> str:
        """The message as one paragraph: path, what, bound, value, hint."""
        return one_line(self.path, self.message, self.bound, self.value, self.hint)


class UsageError(OperatingError):
    """The command line asks for something that cannot be done."""

    exit_code = ExitCode.USAGE


class EnvironmentProblem(OperatingError):  # noqa: N818  (a problem to put right, as the docs name it)
    """A port, a file, a dictionary or a disk is not as the program needs it."""

    exit_code = ExitCode.ENVIRONMENT


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a configuration, with everything needed to find and mend it."""

    file: str
    line: int
    """Line in the file, from 1. The nearest enclosing line when the key itself is absent."""
    path: str
    message: str
    value: str = ""
    bound: str = ""
    hint: str = ""
    severity: Severity = "error"

    def text(self) -> str:
        """`file:line: severity: path: message: must be bound, got value. Hint: …`"""
        rest = one_line(self.path, self.message, self.bound, self.value or None, self.hint)
        return f"{self.file}:{self.line}: {self.severity}: {rest}"

    def as_dict(self) -> dict[str, object]:
        """The same as plain data, for `--json`."""
        return asdict(self)


class ConfigProblems(OperatingError):  # noqa: N818  (the plural is the point)
    """Every problem of a configuration file at once."""

    exit_code = ExitCode.USAGE

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        count = sum(1 for problem in self.problems if problem.severity == "error")
        noun = "problem" if count == 1 else "problems"
        lines = "\n".join(problem.text() for problem in self.problems)
        super().__init__(f"{count} {noun} in the configuration\n{lines}")


def one_line(path: str, message: str, bound: str, value: object, hint: str) -> str:
    """Joins the parts of a message in the one order used everywhere."""
    text = f"{path}: {message}" if path else message
    if bound:
        # A reason behind a colon is over before the bound begins.
        text += f"{';' if ': ' in message else ':'} must be {bound}"
    if value is not None:
        text += f", got {shown(value)}"
    return f"{text}. {hint}" if hint else text


def shown(value: object) -> str:
    """A value for a message, cut to a length that keeps it on one line; a boolean as TOML has it."""
    text = value if isinstance(value, str) else repr(value)
    text = text.lower() if isinstance(value, bool) else text
    return text if len(text) <= VALUE_CHARS_MAX else text[:VALUE_CHARS_MAX] + "…"
