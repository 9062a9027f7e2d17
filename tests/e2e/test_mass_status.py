"""A follower's venue that answers no question about one order: AF asks for all in doubt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.resources import profiles
from gateway.sim.reports import Outgoing
from gateway.sim.text import Fields, first
from tests.e2e.plant import GOOD, LOT, Plant

PROFILE = "listing"
"""As our own dialect, without H; a mass status names working orders, as the simulated broker's does."""


class Listing(Plant):
    """A plant whose good broker answers AF and AN, and not H; it can lose what it hears and says."""

    BROKERS = "M"

    def _write(self) -> None:
        super()._write()
        text = (profiles() / "copygate44.toml").read_text(encoding="utf-8")
        for old, new in (("status_request = true", "status_request = false"), ('"all"', '"working"')):
            assert old in text
            text = text.replace(old, new)
        folder = self.folder / "profiles"
        folder.mkdir()
        (folder / f"{PROFILE}.toml").write_text(text, encoding="utf-8")
        config = self.config.read_text(encoding="utf-8")
        head, name, tail = config.partition(f"[sessions.{self.name(GOOD)}]")
        tail = tail.replace('profile = "copygate44"', f'profile = "{PROFILE}"', 1)
        head = head.replace('state_dir = "state"', 'state_dir = "state"\nprofiles_dir = "profiles"', 1)
        self.config.write_text(head + name + tail, encoding="utf-8")

    def heard(self) -> list[str]:
        """MsgTypes(35) that the good broker's model got since `listen`."""
        return self.good.call(lambda: list(self._heard))

    def listen(self, loses: str) -> None:
        """From now on the broker loses the next `order`, or every `report` that answers no question."""
        self._heard: list[str] = []
        lost: list[str] = []
        broker, send = self.good.broker, self.good._send
        receive = type(broker).receive

        def hears(session: str, fields: Fields, now_ns: int) -> list[Outgoing]:
            self._heard.append(first(fields, 35))
            if loses == "order" and first(fields, 35) == "D" and not lost:
                lost.append(first(fields, 11))
                return []
            return receive(broker, session, fields, now_ns)

        def says(message: Outgoing) -> None:
            is_report = first(message.fields, 35) == "8" and first(message.fields, 150) != "I"
            if not (loses == "report" and is_report):
                send(message)

        def put() -> None:
            broker.receive = hears  # type: ignore[method-assign]
            self.good._send = says  # type: ignore[method-assign]

        self.good.call(put)
        self._usual = send

    def hear_all(self) -> None:
        """Nothing is lost any more."""

        def put() -> None:
            del self.good.broker.receive
            self.good._send = self._usual  # type: ignore[method-assign]

        self.good.call(put)


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listing]:
    """The deployment, trading: a first round trip makes the account known to be ours."""
    folder: Path = tmp_path_factory.mktemp("listing")
    plant = Listing(folder)
    try:
        plant.until(plant.is_ready, "the deployment does not start")
        yield plant
    finally:
        plant.close()


@pytest.mark.slow
def test_a_fill_whose_report_is_lost_is_known_by_the_account(listing: Listing) -> None:
    """The broker filled, and no report came: AF lists nothing, AN has the position, twice."""
    listing.copies_a_round_trip()
    orders = listing.orders(listing.good)
    listing.listen("report")
    listing.fill(1)
    listing.until(lambda: listing.held(GOOD) == LOT, "the account's position says that it was filled")
    listing.hear_all()
    assert listing.heard().count("D") == 1
    assert "H" not in listing.heard()
    assert listing.heard().count("AF") >= 2
    assert listing.heard().count("AN") >= 2
    assert listing.alerts("order_settled")
    listing.fill(2)
    listing.until(lambda: listing.position(listing.good) == 0, "the close is copied")
    listing.until(lambda: listing.rests(GOOD) and listing.held(GOOD) == 0, "its report is counted")
    assert (listing.orders(listing.good), listing.doubled()) == (orders + 2, 0)


@pytest.mark.slow
def test_an_order_that_never_arrived_is_sent_again_once(listing: Listing) -> None:
    """The broker never had it: AF lists nothing, AN has the old position, twice. The close comes once."""
    listing.copies_a_round_trip()
    listing.fill(1)
    listing.until(lambda: listing.held(GOOD) == LOT, "the open is copied")
    told = len(listing.alerts("order_settled"))
    listing.listen("order")
    listing.fill(2)
    listing.until(lambda: listing.position(listing.good) == 0, "the close comes in the end")
    listing.until(lambda: listing.rests(GOOD) and listing.held(GOOD) == 0, "its report is counted")
    listing.hear_all()
    assert listing.heard().count("D") == 2
    assert len(listing.alerts("order_settled")) == told + 1
    assert listing.doubled() == 0
