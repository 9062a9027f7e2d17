"""A session whose window is narrower than one frame of orders: the rest of the frame waits, and leaves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.trading import Run, started


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Run]:
    """Four followers on one session that takes one order at a time."""

    def one_at_a_time(text: str) -> str:
        return re.sub(r"(?m)^(\[sessions\..*\])$", r"\1\nmax_unacked = 1", text)

    with started(tmp_path, 4, 1, one_at_a_time) as run:
        yield run


def test_orders_beyond_the_window_wait_for_it(narrow: Run) -> None:
    """No order is named as sent that was not handed over, and the books agree in the end."""
    narrow.traded(30)
    narrow.finish()
    verdict = narrow.verdict()
    assert verdict.good, verdict.reasons
    log = (narrow.deployment.folder / "gateway.log").read_text(encoding="utf-8")
    assert "route.not_handed_over" not in log
