"""What is installed: the interpreter, the core, QuickFIX and its dictionaries."""

from __future__ import annotations

import sqlite3
import sys
from importlib import metadata

from gateway import __version__
from gateway.config import GatewayConfig
from gateway.doctor.facts import Program
from gateway.errors import OperatingError
from gateway.fix import dictionary

PACKAGE = "copygate"


def program() -> Program:
    """Versions, and why something cannot be loaded."""
    python, python_sqlite = _version(sys.version.split()[0]), _version(sqlite3.sqlite_version)
    values: dict[str, object] = {}
    try:
        from gateway import _fastcore

        values["core_version"] = _fastcore.core_version()
        values["core_sqlite"] = _version(_fastcore.sqlite_version())
        values["engine_version"] = _fastcore.engine_version()
        values["leaves_out"] = hasattr(_fastcore, "leave_out")
    except (ImportError, AttributeError) as error:
        values["core_problem"] = f"cannot be used: {error}"
    try:
        from gateway.fix.swig import fix

        values["quickfix"] = metadata.version("quickfix")
        if not hasattr(fix, "SocketInitiator"):
            values["quickfix_problem"] = "it has no socket initiator: another build"
    except Exception as error:  # noqa: BLE001 (a broken extension fails in its own ways; each is a finding)
        values["quickfix_problem"] = f"cannot be used: {error!r}"
    wanted = _wanted("quickfix")
    return Program(__version__, python, python_sqlite, quickfix_wanted=wanted, **values)  # type: ignore[arg-type]


def dictionaries(config: GatewayConfig) -> tuple[tuple[str, str], ...]:
    """The files that the sessions of a configuration need, each read by QuickFIX itself."""
    needed = {session.begin_string for session in config.sessions.values()}
    found: list[tuple[str, str]] = []
    for begin_string in sorted(needed):
        found.append(_readable(begin_string))
    if "FIXT.1.1" in needed:
        found.append(_readable(None))
    return tuple(found)


def _readable(begin_string: str | None) -> tuple[str, str]:
    name = begin_string or dictionary.APPLICATION
    try:
        path = dictionary.application() if begin_string is None else dictionary.transport(begin_string)
        from gateway.fix.swig import fix

        fix.DataDictionary(str(path))
    except OperatingError as error:
        return name, error.text()
    except Exception as error:  # noqa: BLE001 (QuickFIX's errors have no common base)
        return name, f"QuickFIX cannot read it: {error}"
    return name, ""


def _wanted(library: str) -> str:
    """The version that the installed package asks for; empty where that is not known."""
    try:
        requirements = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return ""
    found = [text for text in requirements if text.startswith(f"{library}==")]
    return found[0].partition("==")[2].split(";")[0].strip() if found else ""


def _version(text: str) -> tuple[int, int, int]:
    numbers = [int("".join(filter(str.isdigit, part)) or 0) for part in text.split(".")[:3]]
    first, second, third = (*numbers, 0, 0)[:3]
    return first, second, third
