"""The rules of engagement say what is sent: tables, dictionary, core and simulator agree tag by tag."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

from gateway import resources
from gateway._fastcore import Pipeline, RoutePipeline
from gateway.config import core_json, load
from gateway.sim.book import Account
from gateway.sim.broker import Behaviour, Broker
from gateway.sim.reports import Dialect, Outgoing
from gateway.sim.text import Fields, decode, encode, first, utc

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "rules-of-engagement.md"
FRAME = {8, 9, 10, 34, 35, 49, 52, 56}
START_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000
CONFIG = """
[gateway]
deployment = "rules"
[sessions.LEADER]
role = "acceptor"
begin_string = "{begin}"
sender_comp_id = "COPYGATE"
target_comp_id = "L"
host = "127.0.0.1"
port = 9001
profile = "{profile}"
[sessions.R]
role = "initiator"
begin_string = "{begin}"
sender_comp_id = "COPYGATE"
target_comp_id = "B"
host = "127.0.0.1"
port = 9002
profile = "{profile}"
[instruments.EURUSD]
contract_size = 100000
lot_step = "0.01"
min_lot = "0.01"
tick = "0.00001"
currency = "USD"
[leaders.alpha]
session = "LEADER"
assume_flat = true
[routes.r]
session = "R"
[followers.f1]
route = "r"
account = "F1"
[[subscriptions]]
follower = "f1"
leader = "alpha"
sizing = {{ mode = "multiplier", k = "1" }}
order_type = "{order_type}"
max_slippage_bps = {slippage}
copy = "{copy}"
"""


@cache
def tables() -> dict[str, dict[int, str]]:
    """MsgType to tag to the third column, from the page."""
    found: dict[str, dict[int, str]] = {}
    for part in PAGE.read_text(encoding="utf-8").split("\n### ")[1:]:
        title = re.match(r"\w+ \((\w+)\), (?:in|out)\n", part)
        if title:
            rows = re.findall(r"^\| (\d+) \| \w+ \| ([^|]*) \|", part, flags=re.MULTILINE)
            found[title.group(1)] = {int(tag): need.strip() for tag, need in rows}
    return found


@cache
def dictionary() -> dict[str, dict[int, str]]:
    """MsgType to tag to `required` as Y or N, from COPYGATE44.xml; tags inside groups are not listed."""
    root = ET.parse(resources.fix_specs() / "COPYGATE44.xml").getroot()
    numbers = {f.attrib["name"]: int(f.attrib["number"]) for f in root.iterfind("fields/field")}
    return {
        m.attrib["msgtype"]: {numbers[f.attrib["name"]]: f.attrib["required"] for f in m}
        for m in root.iterfind("messages/message")
    }


def needed(msg_type: str, old: bool) -> set[int]:
    """Tags that the page requires in every message of a type."""
    marks = {"required", "FIX 4.2"} if old else {"required"}
    return {tag for tag, need in tables()[msg_type].items() if need in marks} - ({790} if old else set())


def test_the_page_has_a_table_for_each_message() -> None:
    """What is sent by either side and used by the other."""
    assert set(tables()) == {"D", "F", "G", "H", "AF", "AN", "8", "9", "j", "BA", "W", "AP"}


@pytest.mark.parametrize("msg_type", ["D", "F", "G", "H", "AF", "AN", "8", "9", "j", "BA", "W", "AP"])
def test_the_dictionary_says_what_the_page_says(msg_type: str) -> None:
    """The same tags, required in both or in neither; what is for FIX 4.2 alone is not in it."""
    page = {tag: need for tag, need in tables()[msg_type].items() if need != "FIX 4.2"}
    assert set(dictionary()[msg_type]) == set(page)
    assert {tag for tag, need in dictionary()[msg_type].items() if need == "Y"} == needed(msg_type, False)


class Wire:
    """Core and route guard in one process; what the guard lets out is kept."""

    def __init__(self, folder: Path, version: str, limit: bool, copy: str) -> None:
        begin, profile = {"4.2": ("FIX.4.2", "copygate42"), "4.4": ("FIX.4.4", "copygate44")}[version]
        path = folder / "gateway.toml"
        kind, slippage = ("limit", 5) if limit else ("market", 0)
        text = CONFIG.format(begin=begin, profile=profile, order_type=kind, slippage=slippage, copy=copy)
        path.write_text(text, encoding="utf-8")
        (folder / "route").mkdir()
        self.now = START_NS
        self.begin = begin
        self.sent: list[Fields] = []
        self.asked: list[Fields] = []
        """Requests for positions, which come by themselves behind the logon."""
        self._seq = 0
        self.core = Pipeline.open(folder / "journal.db", core_json(load(path)), "process", self.now)
        self.route = RoutePipeline.open(folder / "route" / "route.db", "r", ["R"], 60_000, self.now)
        self.core.receive(self.route.identity, self.route.hello(self.now), self.now)
        self.route.session("R", True, self.now)
        self.pump()

    def pump(self) -> None:
        """Frames both ways, four times: enough for a greeting, an order and its OUT row."""
        for _ in range(4):
            for _, frame in (*self.core.beat(self.now), *self.core.drain()):
                for message in (decode(raw) for _, raw in self.route.receive(frame, self.now)):
                    (self.asked if first(message, 35) == "AN" else self.sent).append(message)
            for frame in self.route.pending():
                self.core.receive(self.route.identity, frame, self.now)

    def leader(self, number: int, side: str) -> None:
        """A leader's fill of 1,000 EURUSD."""
        body: Fields = [(35, "8"), (34, str(number)), (37, f"o{number}"), (17, f"e{number}"), (150, "2"),
                        (39, "2"), (55, "EURUSD"), (54, side), (38, "1000"), (32, "1000"), (31, "1.1"),
                        (14, "1000"), (60, utc(self.now))]  # fmt: skip
        self.core.submit("leader", "LEADER", encode(self.begin, body), self.now)
        self.pump()

    def works(self, number: int, kind: str, px: str) -> None:
        """A leader's working order to buy 1,000 EURUSD, new (0) or replaced (5)."""
        body: Fields = [(35, "8"), (34, f"{number}{kind}"), (37, f"o{number}"), (17, f"e{number}{kind}"),
                        (150, kind), (39, kind), (55, "EURUSD"), (54, "1"), (38, "1000"), (40, "2"), (44, px),
                        (59, "1"), (14, "0"), (60, utc(self.now))]  # fmt: skip
        self.core.submit("leader", "LEADER", encode(self.begin, body), self.now)
        self.pump()

    def acknowledge(self, order: Fields) -> None:
        """The broker's New for an order."""
        self._seq += 1
        body: Fields = [
            (35, "8"),
            (37, "B1"),
            (11, first(order, 11)),
            (17, "x1"),
            (150, "0"),
            (39, "0"),
            (55, "EURUSD"),
            (54, first(order, 54)),
            (38, "1000"),
            (14, "0"),
            (151, "1000"),
        ]
        self.route.record("R", self._seq, encode(self.begin, body), self.now)
        self.pump()

    def wait(self, seconds: int) -> None:
        """Time passes; what is due is done."""
        self.now += seconds * SECOND_NS
        self.core.tick(self.now)
        self.pump()


@contextmanager
def wire(folder: Path, version: str, limit: bool = False, copy: str = "fills") -> Iterator[Wire]:
    """A wire, closed at the end."""
    made = Wire(folder, version, limit, copy)
    try:
        yield made
    finally:
        made.core.close()
        made.route.close()


def check(fields: Fields, version: str) -> None:
    """Every tag is in the table, and every required one in the message."""
    msg_type = first(fields, 35)
    tags = {tag for tag, _ in fields} - FRAME
    allowed = {tag for tag, need in tables()[msg_type].items() if version == "4.2" or need != "FIX 4.2"}
    assert tags <= allowed, tags - allowed
    required = needed(msg_type, version == "4.2")
    assert required <= tags, required - tags


@pytest.mark.parametrize("version", ["4.2", "4.4"])
@pytest.mark.parametrize("limit", [False, True])
def test_an_order_carries_what_the_page_says(tmp_path: Path, version: str, limit: bool) -> None:
    """NewOrderSingle(D), market and limit; price and time in force on limit orders only."""
    with wire(tmp_path, version, limit) as made:
        made.leader(1, "1")
        assert [first(fields, 35) for fields in made.sent] == ["D"]
        check(made.sent[0], version)
        values = tuple(first(made.sent[0], tag) for tag in (40, 44, 59))
        assert values == (("2", "1.10055", "3") if limit else ("1", "", ""))


@pytest.mark.parametrize("version", ["4.2", "4.4"])
def test_queries_and_cancels_carry_what_the_page_says(tmp_path: Path, version: str) -> None:
    """OrderStatusRequest(H) after silence, with and without OrderID; OrderCancelRequest(F) when the leader
    leaves."""
    with wire(tmp_path, version) as made:
        made.leader(1, "1")
        made.wait(6)
        made.acknowledge(made.sent[0])
        made.leader(2, "2")
        kinds = [first(fields, 35) for fields in made.sent]
        assert kinds == ["D", "H", "F"]
        assert bool(made.asked) == (version == "4.4"), "AN is younger than FIX 4.2"
        for fields in (*made.sent, *made.asked):
            check(fields, version)
        assert (first(made.sent[1], 37), first(made.sent[2], 37)) == ("", "B1")


@pytest.mark.parametrize("version", ["4.2", "4.4"])
def test_a_mirror_and_its_replace_carry_what_the_page_says(tmp_path: Path, version: str) -> None:
    """NewOrderSingle(D) of a working order, and OrderCancelReplaceRequest(G) when the leader changes it."""
    with wire(tmp_path, version, copy="orders") as made:
        made.works(1, "0", "1.1")
        made.acknowledge(made.sent[0])
        made.works(1, "5", "1.2")
        assert [first(fields, 35) for fields in made.sent] == ["D", "G"]
        for fields in made.sent:
            check(fields, version)
        assert [first(fields, 44) for fields in made.sent] == ["1.1", "1.2"]
        assert {first(fields, 59) for fields in made.sent} == {"1"}
        assert first(made.sent[1], 41) == first(made.sent[0], 11)


def test_questions_to_a_leader_carry_what_the_page_says(tmp_path: Path) -> None:
    """AF and AN after a gap that is not filled, H for an order whose CumQty falls; 4.2 knows neither AF nor
    AN."""
    with wire(tmp_path, "4.4") as made:
        made.leader(1, "1")
        passed_over: Fields = [(35, "4"), (34, "2"), (43, "Y"), (123, "Y"), (36, "5")]
        fallen: Fields = [(35, "8"), (34, "5"), (37, "o1"), (11, "c1"), (17, "e5"), (150, "F"), (39, "1"),
                          (55, "EURUSD"), (54, "1"), (38, "1000"), (32, "1"), (14, "7")]  # fmt: skip
        for body in (passed_over, fallen):
            made.core.submit("leader", "LEADER", encode(made.begin, body), made.now)
        asked = [(session, decode(raw)) for session, raw in made.core.take_questions()]
        assert [(session, first(fields, 35)) for session, fields in asked] == [
            ("LEADER", "AF"),
            ("LEADER", "AN"),
            ("LEADER", "H"),
        ]
        for _, fields in asked[:2]:
            check(fields, "4.4")
        # A leader's order is named as its report names it; this one has no account.
        assert {tag for tag, _ in asked[2][1]} - FRAME == {37, 11, 55, 54, 790}
        assert made.core.take_questions() == []


def order(cl_ord_id: str, **changes: str) -> Fields:
    """An order of ours for the simulator."""
    values = {"11": cl_ord_id, "1": "F1", "55": "EURUSD", "54": "1", "38": "1000", "40": "1", **changes}
    return [(35, "D"), *((int(tag), value) for tag, value in values.items())]


def simulated(version: str) -> list[Outgoing]:
    """Everything the simulated broker says in a life of orders, requests and busts."""
    moods = Behaviour(ack_ms=0, fill_ms=0, jitter_ms=0, cancel_ms=0)
    broker = Broker(1, [Account("F1"), Account("F2")], moods, Dialect(f"FIX.{version}"))
    out = broker.quote("EURUSD", Decimal("1.0999"), Decimal("1.1001"), START_NS)
    resting = order("C2", **{"40": "2", "44": "0.5", "59": "1"})
    requests: list[Fields] = [
        order("C1"), order("C1"), order("C9", **{"55": "NONE"}), resting,
        [(35, "H"), (11, "C1"), (1, "F1"), (790, "1")], [(35, "H"), (11, "ZZ"), (1, "F1"), (790, "2")],
        [(35, "AF"), (584, "M1"), (585, "7"), (1, "F1")], [(35, "AF"), (584, "M2"), (585, "7"), (1, "F2")],
        [(35, "AN"), (710, "P1"), (1, "F1")], [(35, "AN"), (710, "P2"), (1, "F2")], [(35, "BB"), (1, "F1")],
        [(35, "F"), (11, "K1"), (41, "C1"), (1, "F1")], [(35, "F"), (11, "K2"), (41, "C2"), (1, "F1")],
        [(35, "ZZ"), (11, "K3")],
    ]  # fmt: skip
    for request in requests:
        out += broker.receive("R", request, START_NS)
        out += broker.advance(START_NS)
    out += broker.bust(next(iter(broker.book.executions)), START_NS)
    return out + broker.quote_messages("R", START_NS)


@pytest.mark.parametrize("version", ["4.2", "4.4"])
def test_the_simulator_says_what_the_page_says(version: str) -> None:
    """Each of its messages has the required tags, and none that the page does not list."""
    said = simulated(version)
    kinds = {first(message.fields, 35) for message in said}
    assert kinds == ({"8", "9", "j", "W"} if version == "4.2" else {"8", "9", "j", "W", "BA", "AP"})
    for message in said:
        counts = [(group.count_tag, str(len(group.entries))) for group in message.groups]
        check([*message.fields, *counts], version)


def test_the_page_names_the_commands_that_exist() -> None:
    """A broker who copies a line gets a program that takes it."""
    from typer.testing import CliRunner

    from gateway.sim.cli import app

    text = PAGE.read_text(encoding="utf-8")
    for command in ("broker", "leader", "history"):
        told = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output
        lines = re.findall(rf"copygate sim {command} ([^`\n]*)", text)
        assert lines
        for option in re.findall(r"--[a-z-]+", " ".join(lines)):
            assert option in told, option
