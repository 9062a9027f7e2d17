"""When a gap that stays is asked for again."""

from __future__ import annotations

from gateway.fix.gaps import RETRY_MS, GapWatch


def test_a_resend_that_leaves_a_number_out_is_asked_for_at_once_and_once() -> None:
    """The first resent message behind the hole asks; the others behind the same hole do not."""
    watch = GapWatch()
    assert [watch.ask(11, True, now_ms) for now_ms in (100, 101, 102)] == [True, False, False]


def test_messages_of_the_live_stream_leave_the_resend_its_time() -> None:
    """What comes while the first resend is on its way asks for nothing, until it is overdue."""
    watch = GapWatch()
    assert not watch.ask(9, False, 0)
    assert not watch.ask(9, False, RETRY_MS - 1)
    assert watch.ask(9, False, RETRY_MS)
    assert not watch.ask(9, False, RETRY_MS + 1)


def test_a_number_that_never_comes_is_asked_for_at_a_bounded_pace() -> None:
    """A thousand resent messages in a second are one request, not a thousand."""
    watch = GapWatch()
    assert sum(watch.ask(5, True, now_ms) for now_ms in range(1_000)) == 1
    assert watch.ask(5, True, RETRY_MS)


def test_the_next_hole_is_asked_for_at_once() -> None:
    """A second hole in the same resend does not wait for the first one's pause."""
    watch = GapWatch()
    assert watch.ask(11, True, 0)
    assert watch.ask(14, True, 1)
