"""The plant of the bad-input tests: one deployment for all of them, because a start costs seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.plant import Plant, started


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """The deployment, trading."""
    with started(Plant(tmp_path_factory.mktemp("plant"))) as plant:
        yield plant


@pytest.fixture
def plant(running: Plant) -> Iterator[Plant]:
    """The same for one test: it must find it well, and leave it trading."""
    running.until(running.is_ready, "an earlier test left the deployment down")
    yield running
    running.copies_a_round_trip()
    assert running.gateway.poll() is None
