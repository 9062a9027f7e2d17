"""The disk is full while the gateway trades: nothing is acted on that cannot be written, nothing is lost."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.plant import LOT, Plant

pytestmark = pytest.mark.slow

SMALL_BYTES = 4_096
"""Smaller than the first page of any database."""


@contextmanager
def full_disk(plant: Plant, *children: str) -> Iterator[None]:
    """No file of these processes can grow, nor of what is started meanwhile; room comes back behind."""
    for pid in [plant.gateway.pid, *(plant.pid(child) for child in children)]:
        limit(pid, SMALL_BYTES)
    try:
        yield
    finally:
        limit(plant.gateway.pid, resource.RLIM_INFINITY)
        for child in children:
            try:
                limit(plant.pid(child), resource.RLIM_INFINITY)
            except ProcessLookupError:
                continue


def limit(pid: int, size: int) -> None:
    """Only the soft limit is lowered, so that it can be raised again."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_full_disk_of_the_journal_costs_time_and_no_fill(plant: Plant) -> None:
    """The core ends with the fill unanswered, says why at every start, and copies it once there is room."""
    before, orders, raw = plant.position(plant.good), plant.orders(plant.good), len(plant.raw.heard_of("D"))
    first = len(plant.said("run.ended"))

    def ends() -> list[int]:
        return [row["exit_code"] for row in plant.said("run.ended")[first:] if row["child"] == "core"]

    with full_disk(plant, "core"):
        plant.fill(1)
        plant.until(lambda: 75 in ends(), "the restarted core says that the disk is full")
        assert ends()[0] in (70, 75)
        assert plant.orders(plant.good) == orders, "nothing is sent that is not journaled"
    plant.until(lambda: plant.position(plant.good) == before + LOT, "the resent fill is copied")
    plant.until(lambda: len(plant.raw.heard_of("D")) == raw + 1, "to everybody")
    assert plant.orders(plant.good) == orders + 1
    errors = [str(row.get("error")) for row in plant.said("run.failed")]
    assert any("journal.db" in error and "Make room" in error for error in errors)
    assert plant.gateway.poll() is None
    plant.until(plant.is_ready, "everybody is back")
    plant.fill(2)
    plant.until(lambda: plant.position(plant.good) == before, "the close is copied")


def test_a_full_disk_of_one_route_stops_that_route_only(plant: Plant) -> None:
    """Its orders do not leave without their row; the other broker is served, and later it is flat with it."""
    before, raw, held = (
        plant.position(plant.good),
        len(plant.raw.heard_of("D")),
        int(float(plant.line(4)["filled"])),
    )
    first = len(plant.said("run.ended"))
    with full_disk(plant, "route:r4"):
        plant.fill(1)
        plant.until(lambda: plant.position(plant.good) == before + LOT, "the other broker is served")
        plant.until(
            lambda: any(row["child"] == "route:r4" for row in plant.said("run.ended")[first:]), "r4 ends"
        )
        assert len(plant.raw.heard_of("D")) == raw
    plant.until(plant.is_ready, "the route is back")
    # Fresh still: its open leaves now, once.
    plant.until(lambda: len(plant.raw.heard_of("D")) == raw + 1, "the open leaves when there is room")
    plant.until(lambda: plant.held(4) == held + LOT, "and is booked")
    plant.fill(2)
    plant.until(lambda: plant.held(4) == held, "the close is copied")
    plant.until(lambda: plant.position(plant.good) == before, "here too")
