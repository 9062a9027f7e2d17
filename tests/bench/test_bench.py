"""The bench itself works: session speaker, counting, deployment. Small, so that it does not rot."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from gateway import clock
from gateway._fastcore import Pipeline
from gateway.config import core_json, load
from tests.bench import __main__ as bench
from tests.bench.__main__ import Memory, main
from tests.bench.deployment import Shape, write_config
from tests.bench.plant import Result, _histogram
from tests.bench.rawfix import Framer, Session, broker_fill, encode, fields, leader_fill

UTC = b"20260101-00:00:00.000"


def soh(text: str) -> bytes:
    """FIX text with | for SOH."""
    return text.replace("|", "\x01").encode()


def test_a_message_has_the_right_length_and_checksum() -> None:
    """BodyLength(9) counts from behind its own SOH to before CheckSum(10); the sum is of all bytes before."""
    raw = encode(b"FIX.4.4", soh("35=0|34=1|"))
    assert raw.startswith(soh("8=FIX.4.4|9=10|35=0|"))
    assert int(raw[-4:-1]) == sum(raw[: raw.rindex(b"10=")]) % 256


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_stream_is_cut_into_its_messages_wherever_it_breaks(size: int) -> None:
    """Every way of cutting gives the same messages."""
    whole = [encode(b"FIX.4.4", soh(f"35=0|34={n}|")) for n in range(5)]
    stream = b"".join(whole)
    framer = Framer()
    found = [m for at in range(0, len(stream), size) for m in framer.feed(stream[at : at + size])]
    assert found == whole


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("35=A|108=30|141=Y|", {35: b"A", 108: b"30", 141: b"Y"}),
        ("35=1|112=hello|", {35: b"0", 112: b"hello"}),
        ("35=2|7=3|16=0|", {35: b"4", 34: b"3", 36: b"9", 123: b"Y"}),
        ("35=5|", {35: b"5"}),
    ],
)
def test_session_messages_are_answered(asked: str, answer: dict[int, bytes]) -> None:
    """Logon, TestRequest, ResendRequest, Logout; none of them is an application message."""
    raw, application = Session(b"FIX.4.4", b"A", b"B", next_out=9).reply(encode(b"FIX.4.4", soh(asked)), UTC)
    assert not application
    assert {tag: fields(raw)[tag] for tag in answer} == answer


def test_an_unknown_message_is_handed_on_unanswered() -> None:
    """The plant counts it."""
    raw = encode(b"FIX.4.4", soh("35=H|"))
    assert Session(b"FIX.4.4", b"A", b"B").reply(raw, UTC) == (b"", True)


def test_a_broker_fill_answers_its_order_in_full() -> None:
    """CumQty(14) = OrderQty(38), LeavesQty(151) = 0, same ClOrdID(11) and account."""
    order = encode(b"FIX.4.4", soh("35=D|11=X|1=A0-0|55=EURUSD|54=2|38=70|"))
    found = fields(broker_fill(4, order, UTC))
    assert [found[tag] for tag in (11, 1, 54, 14, 151, 17)] == [b"X", b"A0-0", b"2", b"70", b"0", b"BE4"]
    assert fields(leader_fill(7, b"LEAD", b"EURUSD", 1000, UTC))[17] == b"LE7"


def test_a_small_run_sees_every_order_once_through_relay_and_gateway(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All three shapes, real sockets and real processes; no figure is judged, for the machine is shared."""
    assert main(["--small", "--no-memory", "--json", "--repeat", "1"]) == 0
    rows = json.loads(capsys.readouterr().out)["wire_to_wire"]
    shapes = ["1 follower", "10 sessions", "10 x 100 accounts"]
    assert [row["shape"] for row in rows] == [shape for shape in shapes for _ in range(2)]
    assert [row["through"] for row in rows] == ["relay", "gateway"] * 3
    assert all(row["ratio_p50"] > 0 for row in rows[1::2])
    assert all(0 < row["first_us"]["p50"] <= row["last_us"]["p50"] <= row["last_us"]["max"] for row in rows)


def test_the_pair_in_the_middle_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ratio is one of two runs that follow each other, never the best of each side."""
    runs = iter([(100, 500), (200, 600), (300, 600)])
    medians: list[int] = []

    def measured(shape: Shape, folder: Path, gateway: bool) -> tuple[Result, Memory]:
        if not gateway:
            medians.extend(next(runs))
        result = Result(_histogram(), _histogram(), Counter())
        result.last.record_value(medians.pop(0) * 1000)
        result.first.record_value(1000)
        return result, []

    monkeypatch.setattr(bench, "measure", measured)
    relay, gateway = bench.wire_to_wire(bench.SHAPES[0], False, 3)
    assert (relay["last_us"]["p50"], gateway["last_us"]["p50"]) == (200, 600)
    assert (gateway["ratio_p50"], gateway["ratios_p50"]) == (3.0, [2.0, 3.0, 5.0])


def test_the_measured_deployment_is_a_valid_configuration(tmp_path: Path) -> None:
    """What the bench starts the gateway with passes `copygate check` without a warning."""
    from gateway.config import examine

    config, problems = examine(write_config(tmp_path, Shape("x", 2, 3, 1, 1), 4001, [4002, 4003]))
    assert [problem.text() for problem in problems] == []
    assert config is not None
    assert len(config.followers) == 6


def test_a_core_starts_with_ten_thousand_followers(tmp_path: Path) -> None:
    """START carries the whole configuration, 8 MB here: more than any frame of a route may have."""
    text = core_json(load(write_config(tmp_path, Shape("x", 10, 1000, 1, 1), 4001, list(range(4002, 4012)))))
    assert len(text) > 4 * 1024 * 1024
    now_ns = clock.wall_ns()
    first = Pipeline.open(str(tmp_path / "journal.db"), text, "process", now_ns)
    assert first.epoch == 1
    del first
    assert Pipeline.open(str(tmp_path / "journal.db"), text, "process", now_ns).epoch == 2
