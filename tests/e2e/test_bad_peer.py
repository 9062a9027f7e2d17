"""Strangers at the core's socket: nothing they say is read, the operator hears of them, trading goes on."""

from __future__ import annotations

import pytest
import zmq

from gateway.keys import read_key
from tests.e2e.plant import LOT, Plant

pytestmark = pytest.mark.slow

HELLO = b"CG\x01\x01\x02r1" + bytes(34)


def knock(plant: Plant, *, keys: tuple[bytes, bytes] | None, said: str) -> None:
    """Connects as route r1 and talks until the core has said `said` about it."""
    before = len(plant.said(said))
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.setsockopt(zmq.LINGER, 0)
        stranger.setsockopt(zmq.IDENTITY, b"r1/999")
        if keys is not None:
            stranger.curve_serverkey = read_key(plant.folder / "keys" / "core.public")
            stranger.curve_publickey, stranger.curve_secretkey = keys
        stranger.connect(f"tcp://127.0.0.1:{plant.core_port}")
        stranger.send(HELLO, zmq.NOBLOCK)
        plant.until(lambda: len(plant.said(said)) > before, f"the core says {said}")
        # In the middle of it: the route whose name was taken trades on.
        position = plant.position(plant.good)
        plant.fill(1)
        plant.until(lambda: plant.position(plant.good) == position + LOT, "the open is copied")
        plant.fill(2)
        plant.until(lambda: plant.position(plant.good) == position, "the close is copied")
        assert not stranger.poll(0), "a stranger is answered nothing"
    assert "r1/999" not in plant.status()["pipeline"]["links"]


def test_a_peer_without_a_key_is_refused_and_said(plant: Plant) -> None:
    """The line says what to do for a route of ours, and for anybody else."""
    knock(plant, keys=None, said="wire.peer_refused")
    assert "copygate keys" in plant.said("wire.peer_refused")[-1]["hint"]


def test_a_peer_with_an_unlisted_key_is_refused_and_said(plant: Plant) -> None:
    """A good key that nobody listed opens nothing; the key is in the log, to be listed or hunted."""
    public, secret = zmq.curve_keypair()
    knock(plant, keys=(public, secret), said="wire.key_refused")
    assert plant.said("wire.key_refused")[-1]["key"] == public.decode()


def test_a_listed_key_of_another_route_is_refused_and_said(plant: Plant) -> None:
    """A route speaks for itself only."""
    keys = tuple(read_key(plant.folder / "keys" / f"r2.{half}") for half in ("public", "secret"))
    knock(plant, keys=(keys[0], keys[1]), said="wire.identity_refused")
    assert plant.said("wire.identity_refused")[-1]["route"] == "r1"
