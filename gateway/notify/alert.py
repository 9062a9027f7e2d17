"""One alert, made from a line of the log: what a sink gets."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from gateway.alert_texts import PROCESSES
from gateway.alerts import advice as advice_of_code
from gateway.notify.spool import CORE_ALERT, LEVELS

TEXT_CHARS_MAX = 1_000
"""Of a text or an advice: what is longer is read in the log."""
CODE_CHARS_MAX = 81
ID_BYTES = 8
NOT_TEXT = frozenset(
    {"event", "level", "process", "timestamp", "advice", "hint", "exception", "stack", "code"}
)
"""Fields of a line that have a place of their own, or are for those who write the program."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What happened, and what to do about it."""

    id: str
    """The same for each attempt: who gets an alert twice can tell."""
    time: str
    """UTC, ISO 8601 with microseconds, as in the log."""
    process: str
    level: str
    code: str
    text: str
    advice: str
    held_back: int = 0
    """So many others of this code are counted here, and not sent by themselves."""

    def body(self, deployment: str) -> bytes:
        """The JSON that sinks get, one line. Who reads the text alone learns of what was held back too."""
        more = f" ({self.held_back} more of {self.code} were held back)" if self.held_back else ""
        values = {"deployment": deployment, **asdict(self), "text": self.text + more}
        return json.dumps(values, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def of_line(line: dict[str, Any], raw: bytes) -> Alert:
    """The alert of a line of the log."""
    event = str(line.get("event", ""))
    is_core = event == CORE_ALERT
    code = str(line.get("code", "")) if is_core else event
    table = advice_of_code(code) if is_core else PROCESSES.get(event, ("", ""))[1]
    level = str(line.get("level", ""))
    return Alert(
        id=hashlib.blake2b(raw, digest_size=ID_BYTES).hexdigest(),
        time=str(line.get("timestamp", ""))[:40],
        process=str(line.get("process", ""))[:80],
        level=level if level in LEVELS else "error",
        code=code[:CODE_CHARS_MAX],
        text=_text(line)[:TEXT_CHARS_MAX],
        advice=str(line.get("advice") or line.get("hint") or table)[:TEXT_CHARS_MAX],
    )


def of_state(values: dict[str, Any]) -> Alert:
    """The alert that `asdict` was made from. Raises TypeError or ValueError where it is none."""
    alert = Alert(**values)
    if not isinstance(alert.held_back, int) or not isinstance(alert.code, str) or alert.level not in LEVELS:
        raise ValueError("not an alert")
    return alert


def _text(line: dict[str, Any]) -> str:
    """The line's own text; of one without, what its fields say."""
    own = line.get("text")
    rest = {key: value for key, value in line.items() if key not in NOT_TEXT and key != "text"}
    said = ", ".join(f"{key} {value}" for key, value in rest.items() if value is not None)
    if own is None:
        return said
    return f"{own} ({said})" if said else str(own)
