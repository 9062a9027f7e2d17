"""The venues' own sequences drive leader sessions of a real deployment; the broker's book judges."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.e2e.sequence_cases import CASES, CME, PRINTED
from tests.e2e.sequence_rig import Rig, counts, fresh, running, sequences, tag, venue_messages
from tests.session.harness import field

ALL = {case.name: case for case in (*CASES, CME, PRINTED)}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One deployment for all sequences: each has its leader and its followers."""
    folder: Path = tmp_path_factory.mktemp("sequences")
    with running(folder, ALL) as started:
        yield started


def test_every_sequence_has_a_case() -> None:
    """None of the 21 is forgotten."""
    assert {case.sequence for case in ALL.values()} == set(sequences())
    assert len(sequences()) == 21


@pytest.mark.slow
@pytest.mark.parametrize("name", [case.name for case in CASES])
def test_a_sequence_gives_the_right_orders(rig: Rig, name: str) -> None:
    """Orders of both followers, alerts and refusals are those of the table, no more and no less."""
    case = ALL[name]
    before = rig.status()
    rig.play(case)
    rig.quiet()
    after = rig.status()
    assert rig.orders(case, 100) == case.full
    assert rig.orders(case, 50) == case.half
    assert counts(before, after, "alerts") == case.alerts
    assert counts(before, after, "refusals") == case.refusals


@pytest.mark.slow
def test_a_gap_and_two_resends_give_each_order_once(rig: Rig) -> None:
    """CME: numbers jump from 8 to 15; the first resend leaves 11 and 12 out, the second brings them."""
    told = fresh(venue_messages(CME), datetime.now(UTC))
    live, first, second = told[:5], told[5:11], told[11:]
    assert [tag(text, 34) for text in live] == ["2", "7", "8", "15", "16"]
    before = rig.status()
    venue = rig.venue(CME)

    def say(messages: list[str]) -> None:
        for text in messages:
            venue.peer.say(venue.reframed(text, int(tag(text, 34))))

    say(live)
    asked = venue.peer.hear_type("2")
    assert field(asked, 7) == "9"
    say(first)
    asked = venue.peer.hear_type("2")
    assert field(asked, 7) == "11"
    say(second)
    venue.seq = 17
    venue.settle()
    rig.quiet()
    after = rig.status()
    assert rig.orders(CME, 100) == CME.full
    assert rig.orders(CME, 50) == CME.half
    assert counts(before, after, "alerts") == CME.alerts
    assert counts(before, after, "refusals") == CME.refusals


@pytest.mark.slow
def test_a_message_with_a_wrong_sum_is_not_read(rig: Rig) -> None:
    """The generated fill as printed, with a sum of zero: it is ignored, as the standard says."""
    case = PRINTED
    printed = venue_messages(case)[0].replace("|", "\x01") + "\x01"
    before = rig.status()
    venue = rig.venue(case)
    begin = rig.config.sessions[case.name]
    ids = printed.replace("49=JWEK", f"49={begin.target_comp_id}").replace(
        "56=BNJM", f"56={begin.sender_comp_id}"
    )
    garbled = ids.replace("\x019=0\x01", f"\x019={len(ids) - len('8=FIX.4.2|9=0|') - len('10=0|')}\x01")
    venue.peer.say(garbled.replace("\x0134=3\x01", "\x0134=2\x01").encode())
    venue.settle()
    rig.quiet()
    after = rig.status()
    assert rig.orders(case, 100) == ()
    assert counts(before, after, "alerts") == {}
