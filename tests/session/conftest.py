"""Fixtures of the session tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.session.harness import Gate, RawPeer


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """Our acceptor on a free port, stopped at the end."""
    running = Gate(tmp_path).start()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def _close_peers() -> Iterator[None]:
    """No socket outlives its test."""
    yield
    RawPeer.close_all()
