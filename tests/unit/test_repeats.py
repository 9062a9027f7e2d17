"""Equal lines of the log are said a few times, and then counted."""

from __future__ import annotations

from gateway.repeats import LINES_MAX, Repeats


def test_the_first_are_said_and_the_rest_are_counted() -> None:
    """Of five equal ones in a window two are let through; another line is not held back by them."""
    lines: Repeats[str] = Repeats(most=2, window_ms=100)
    assert [lines.admits("a", now_ms) for now_ms in (0, 1, 2, 3, 99)] == [True, True, False, False, False]
    assert lines.admits("b", 50)
    assert lines.ended(99) == []
    assert lines.ended(100) == [("a", 3)]


def test_a_window_begins_with_its_first_line() -> None:
    """Behind the window everything is said again, and what was never too often is not told of."""
    lines: Repeats[str] = Repeats(most=2, window_ms=100)
    assert lines.admits("a", 0)
    assert lines.ended(100) == []
    assert [lines.admits("a", now_ms) for now_ms in (150, 160, 170)] == [True, True, False]
    assert lines.ended(249) == []
    assert lines.ended(250) == [("a", 1)]


def test_a_flood_of_different_lines_is_said_and_not_remembered() -> None:
    """What differs is no repetition; what is counted is bounded, and gone with its window."""
    lines: Repeats[int] = Repeats(most=1, window_ms=10)
    assert all(lines.admits(number, 0) for number in range(3 * LINES_MAX))
    assert len(lines._counts) == LINES_MAX
    assert not lines.admits(0, 1), "those that came first are counted"
    assert lines.ended(10) == [(0, 1)]
    assert len(lines._counts) == 0
