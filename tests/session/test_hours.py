"""A session with hours: it ends with a Logout, takes nothing while it is closed, and begins anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.session.harness import Gate, RawPeer, field, message, until
from tests.session.test_outbound import order

OPEN_S, CLOSED_S = 4, 3


def utc_in(seconds: int) -> str:
    """The time of day in so many seconds, as the configuration writes it."""
    return f"{datetime.now(UTC) + timedelta(seconds=seconds):%H:%M:%S}"


@pytest.mark.slow
def test_the_end_of_the_day_logs_out_and_the_next_begins_at_one(tmp_path: Path) -> None:
    """Logout(5) at `end_time`; an order meanwhile is certainly not sent; numbers of both sides begin anew."""
    gate = Gate(tmp_path, end_time=utc_in(OPEN_S), start_time=utc_in(OPEN_S + CLOSED_S)).start()
    try:
        peer = RawPeer.connect(gate.spec.port)
        peer.log_on()
        until(gate.is_up, "the session is up")
        assert gate.engine.send("LEADER", order(1))
        assert field(peer.hear_type("D"), 34) == "2"
        assert peer.hear_type("5")
        peer.say(message("5", 2, ""))
        until(lambda: not gate.is_up(), "the session is down")
        assert not gate.engine.send("LEADER", order(2))

        def is_open_again() -> bool:
            fresh = RawPeer.connect(gate.spec.port)
            try:
                answer = fresh.log_on()
            except (AssertionError, OSError):
                return False
            assert field(answer, 34) == "1"
            return True

        until(is_open_again, "the next day begins")
        until(gate.is_up, "the session is up again")
        assert gate.engine.send("LEADER", order(3))
    finally:
        gate.stop()
