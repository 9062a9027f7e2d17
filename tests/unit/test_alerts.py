"""Every alert tells a person what to do."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.alert_texts import MEANS, PROCESSES
from gateway.alerts import ADVICE, PLAIN, advice, event_advice
from gateway.notify.spool import CORE_ALERT, NO_ALERTS

ENGINE = Path(__file__).resolve().parents[2] / "fastcore" / "src" / "engine"


def test_every_alert_code_has_advice() -> None:
    """A code that the core learns needs its advice here, or a place among those that need none."""
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(ENGINE.rglob("*.rs")))
    codes = set(re.findall(r'\b(?:alert|tell_position)\(\s*(?:&?\w+,\s*\w+,\s*)?"([a-z_]+)"', source))
    assert codes
    assert codes == ADVICE.keys() | PLAIN


def test_every_alert_has_its_meaning_and_every_line_of_the_log_its_place() -> None:
    """The page of alerts is where somebody looks at three in the morning: nothing may be missing there."""
    assert MEANS.keys() == ADVICE.keys() | PLAIN
    root = Path(__file__).resolve().parents[2]
    page = (root / "docs" / "reference" / "alerts.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([a-z_]+(?:\.[a-z_]+)?)`", page))
    assert MEANS.keys() <= told
    places = [path for path in sorted((root / "gateway").rglob("*.py")) if "sim" not in path.parts]
    source = "".join(path.read_text(encoding="utf-8") for path in places)
    events = set(re.findall(r'log\.(?:error|critical)\(\s*"([a-z_.]+)"', source)) | {"core.clock_back"}
    assert events
    assert events <= told, events - told


def test_an_unknown_code_has_no_advice() -> None:
    """A newer core than shell says less, not something wrong."""
    assert advice("new_code") == ""


def test_the_counterpartys_words_make_no_event_a_warning() -> None:
    """Only QuickFIX's own words count: a Text(58) may hold anything."""
    assert event_advice("MsgSeqNum too low, expecting 3 but received 1")
    assert event_advice("Message 4 Rejected: CompID problem")
    for text in ("Disconnecting", "Message 4 Rejected: 58=CompID problem", "Received 58=MsgSeqNum too low"):
        assert event_advice(text) == "", text


def test_every_line_that_is_told_has_its_words() -> None:
    """Sinks choose by code, and `check` refuses a code that it does not know: all of them must be known."""
    gateway = Path(__file__).resolve().parents[2] / "gateway"
    places = [path for path in sorted(gateway.rglob("*.py")) if "sim" not in path.parts]
    source = "".join(path.read_text(encoding="utf-8") for path in places)
    events = set(re.findall(r'log\.(?:warning|error|critical)\(\s*"([a-z_.]+)"', source))
    assert len(events) > 20
    assert events - NO_ALERTS - {CORE_ALERT} <= PROCESSES.keys()
    assert PROCESSES.keys().isdisjoint(MEANS.keys())
