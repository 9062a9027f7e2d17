"""Where a deployment keeps what the audit reads and writes. One place for these names."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import UsageError

STATE_DIR = "state"
"""State folder beside the configuration file when it names none."""


@dataclass(frozen=True, slots=True)
class Places:
    """Files and addresses of one deployment."""

    state: Path
    observers: str | None
    """ZeroMQ address of the PUB stream; None when it is off."""

    @property
    def journal(self) -> Path:
        """The core's journal. Opened only through its crate."""
        return self.state / "core" / "journal.db"

    @property
    def audit(self) -> Path:
        """The folder of the audit files and status.json."""
        return self.state / "audit"


def places(config_path: Path) -> Places:
    """The places that a configuration names; relative paths start at the file's folder.

    Reads the two keys it needs and no more: the log stays readable beside a configuration that is being
    changed, and the audit process does not carry the whole of it.
    """
    values = _values(config_path)
    state = (config_path.parent / _text(values, "gateway", "state_dir", STATE_DIR)).resolve()
    observers = _text(values, "core", "observers", "off")
    if observers == "ipc":
        observers = f"ipc://{state / 'run' / 'observers'}.ipc"
    return Places(state, None if observers == "off" else observers)


def names_in(config_path: Path, section: str) -> list[str]:
    """The names of a section as they stand in the file, whatever else is wrong with it.

    Raises UsageError where it is no TOML.
    """
    table = _values(config_path).get(section)
    return list(table) if isinstance(table, dict) else []


def _values(config_path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(config_path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError("cannot be read", path=str(config_path), value=error.strerror) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"not TOML: {error}", path=str(config_path), hint="Run copygate check.") from error


def _text(values: dict[str, Any], section: str, key: str, default: str) -> str:
    table = values.get(section)
    found = table.get(key, default) if isinstance(table, dict) else default
    return found if isinstance(found, str) else default
