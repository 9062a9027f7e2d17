"""Questions to leaders' brokers leave the core as the engine wrote them."""

from __future__ import annotations

from typing import Any, cast

import pytest
import structlog

from gateway.core import _ask


class Loop:
    """A loop whose engine asked one thing: the status of an order with a name in Latin-1."""

    def questions(self) -> list[tuple[str, bytes]]:
        return [("LEADER", b"8=FIX.4.4\x0135=H\x0137=caf\xe9\x01")]


class Engine:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []

    def send(self, session: str, raw: bytes) -> bool:
        self.sent.append((session, raw))
        return True


@pytest.mark.parametrize("up", [True, False])
def test_an_order_name_in_any_encoding_is_asked_about_and_logged(up: bool) -> None:
    """The broker's own bytes go back unchanged, and no encoding of theirs ends the process."""
    engine = Engine()
    if not up:
        engine.send = lambda *_: False  # type: ignore[method-assign]
    with structlog.testing.capture_logs() as said:
        _ask(cast(Any, Loop()), cast(Any, engine))
    assert engine.sent == ([("LEADER", b"8=FIX.4.4\x0135=H\x0137=caf\xe9\x01")] if up else [])
    assert [(row["event"], row["asked"]) for row in said] == [("core.question", up)]
    assert "caf" in said[0]["text"]
