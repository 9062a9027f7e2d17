"""Every alert tells a person what to do."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.alerts import ADVICE, PLAIN, advice

ENGINE = Path(__file__).resolve().parents[2] / "fastcore" / "src" / "engine"


def test_every_alert_code_has_advice() -> None:
    """A code that the core learns needs its advice here, or a place among those that need none."""
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(ENGINE.glob("*.rs")))
    codes = set(re.findall(r'\balert\(\s*"([a-z_]+)"', source))
    assert codes
    assert codes == ADVICE.keys() | PLAIN


def test_an_unknown_code_has_no_advice() -> None:
    """A newer core than shell says less, not something wrong."""
    assert advice("new_code") == ""
