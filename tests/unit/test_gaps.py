"""When a gap that stays is asked for again, and which GapFills pass over news."""

from __future__ import annotations

from gateway.fix.gaps import HEARD_MAX, RETRY_MS, GapWatch, Heard


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


def test_a_gap_fill_over_what_was_consumed_before_the_start_is_no_news() -> None:
    """A restart asks for everything behind its last report: those were heartbeats."""
    heard = Heard()
    heard.starts(40)
    assert not heard.hides_news(12, 39)
    assert heard.hides_news(12, 40)


def test_a_gap_fill_over_session_messages_that_came_is_no_news() -> None:
    """The Logon behind the gap has a number of its own, and so have the heartbeats that wait in the queue."""
    heard = Heard()
    heard.starts(40)
    for kind, number in (("A", 40), ("0", 41), ("8", 42)):
        heard.came(kind, number, resets=False)
    assert not heard.hides_news(12, 41)
    assert heard.hides_news(12, 42), "a report that waits behind the gap would never be read"


def test_numbers_that_begin_anew_make_all_numbers_unknown() -> None:
    """With ResetSeqNumFlag(141), or a Logon lower than what was expected."""
    for number, resets in ((1, True), (1, False), (60, True)):
        heard = Heard()
        heard.starts(40)
        heard.came("0", 50, resets=False)
        heard.came("A", number, resets=resets)
        assert heard.hides_news(2, 5)
        assert heard.hides_news(50, 50)


def test_a_gap_fill_without_end_is_news_and_costs_nothing() -> None:
    """NewSeqNo(36) may be any number; memory stays bounded too."""
    heard = Heard()
    assert heard.hides_news(1, 10**15)
    for number in range(2 * HEARD_MAX):
        heard.came("0", number, resets=False)
    assert heard.hides_news(0, 1)
    assert not heard.hides_news(HEARD_MAX + 10, 2 * HEARD_MAX - 1)
