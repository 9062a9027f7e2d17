"""When the core takes snapshots: after so many rows behind the newest one, be it from before a start."""

from __future__ import annotations

from gateway.core import Snapshots


class FakePipeline:
    """Counts snapshots."""

    def __init__(self, newest_snapshot: int) -> None:
        self._newest = newest_snapshot
        self.taken = 0

    def snapshot_seq(self) -> int:
        """As the core's."""
        return self._newest

    def snapshot(self, _now_ns: int) -> None:
        """As the core's."""
        self.taken += 1


def test_a_snapshot_is_due_by_the_rows_behind_the_newest_one() -> None:
    """A start in a long journal takes none at its first row: fills wait to be copied then."""
    pipeline = FakePipeline(1_200_000)
    snapshots = Snapshots(100_000, pipeline)  # type: ignore[arg-type]
    for newest, taken in (
        (1_234_567, 0),
        (0, 0),
        (1_299_999, 0),
        (1_300_000, 1),
        (1_399_999, 1),
        (1_400_001, 2),
    ):
        snapshots.look(newest)
        assert pipeline.taken == taken, newest


def test_a_journal_without_a_snapshot_gets_one() -> None:
    """What was never taken is due."""
    pipeline = FakePipeline(0)
    Snapshots(100_000, pipeline).look(250_000)  # type: ignore[arg-type]
    assert pipeline.taken == 1
