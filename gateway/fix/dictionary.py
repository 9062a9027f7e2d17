"""Finds the structural dictionaries that QuickFIX needs, per FIX version."""

from __future__ import annotations

from pathlib import Path

from gateway import resources
from gateway.errors import EnvironmentProblem

TRANSPORT = {"FIX.4.2": "FIX42", "FIX.4.3": "FIX43", "FIX.4.4": "FIX44", "FIXT.1.1": "FIXT11"}
APPLICATION = "FIX50SP2"
"""Application dictionary of every FIXT.1.1 session: a superset, since nothing in it is required."""


def transport(begin_string: str, folder: Path | None = None) -> Path:
    """The dictionary of a session's own version."""
    return _existing(TRANSPORT[begin_string], folder)


def application(folder: Path | None = None) -> Path:
    """The application dictionary of a FIXT.1.1 session."""
    return _existing(APPLICATION, folder)


def _existing(name: str, folder: Path | None) -> Path:
    path = (folder or resources.fix_specs() / "structural") / f"{name}.xml"
    if not path.is_file():
        raise EnvironmentProblem(
            "a FIX dictionary is missing",
            path=str(path),
            hint="Install the package again, or run `python fix_specs/structural/generate.py`.",
        )
    return path
