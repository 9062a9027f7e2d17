"""What each real sequence must make of two followers, written by hand from its story. No code computes it.

Sequences are the venues' own messages (`../shared/data/sequences.jsonl`). Each case has a leader session of
its own in one deployment, with the venue's profile; its followers copy it at 100 % and at 50 %, in units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Edit = Callable[[list[str]], list[str]]
"""Changes the venue's messages of a sequence before they are played."""


@dataclass(frozen=True)
class Case:
    """One sequence, played on a session of its own."""

    name: str
    sequence: str
    profile: str
    """The venue's profile."""
    full: tuple[int, ...] = ()
    """Order quantities of the 100 % follower, in order: units, negative for a sale."""
    half: tuple[int, ...] = ()
    """The same of the 50 % follower."""
    alerts: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    symbols: dict[str, str] = field(default_factory=dict)
    """Symbol at the venue to instrument."""
    account: str | None = None
    """Account text in the reports, where the profile says that they have one."""
    positions: dict[str, int] = field(default_factory=dict)
    """What the leader holds before; flat when empty."""
    edit: Edit = list
    fresh: bool = True
    """TransactTime(60) is moved so that the newest is now."""
    on_bust: str = "alert"
    one_by_one: bool = False
    """Each message goes out when everything that the one before caused has ended."""
    one_write: bool = False
    """All messages go out in one write, as they came."""
    relogon_before: int | None = None
    """Before this message (counted from 0) the session ends and a new one begins with number 1."""


INSTRUMENTS = {
    # name: (contract size, lot step)
    "AUDJPY": ("100000", "0.01"),
    "AUDCAD": ("100000", "0.01"),
    "USDJPY": ("100000", "0.01"),
    "EURUSD": ("100000", "0.01"),
    "EURJPY": ("100000", "0.01"),
    "DE40": ("1", "1"),
    "AMZ": ("1", "1"),
    "STRATEGY": ("1", "1"),
    "BOND": ("1", "1"),
    "RAND": ("500000", "1"),
    "BTC": ("1", "0.01"),
    "MSFT": ("1", "1"),
    "HCBK": ("1", "1"),
}
"""RAND is CME's 6Z: one contract is 500,000 rand, and the followers order units."""


def restored(messages: list[str]) -> list[str]:
    """The documentation lost delimiters and the instrument block of the sale; a venue sends them."""
    mended = []
    for number, text in enumerate(messages):
        text = text.replace("54=259=399=0", "54=2|59=3|99=0").replace("211=0835=0", "211=0|835=0")
        text = text.replace("54=258=Cancelled|59=399=0", "54=2|58=Cancelled|59=3|99=0").replace(
            "|9=3|", "|59=3|"
        )
        side = "" if "|54=" in text else "|54=2"
        mended.append(f"35=8|1=1537581|55=AUD/JPY{side}|60=20141002-10:00:0{number}|{text}")
    return mended


def opened_and_told_twice(messages: list[str]) -> list[str]:
    """Puts the opening fill before the close; FXCM tells each fill twice, OrdStatus 7 and then 2."""
    close = messages[0]
    opening = close.replace("|54=2|", "|54=1|").replace("|37=225010828|", "|37=225010001|")
    opening = opening.replace("|17=819171964|", "|17=819170001|")
    return [first_telling(opening), opening, first_telling(close), close]


def with_both_longs(messages: list[str]) -> list[str]:
    """Puts the fills of the two EURUSD longs before their position reports."""
    head = "35=8|60=20230806-22:06:14.396|40=1|54=1|55=1|38=1000|39=2|150=F|6=1.07829"
    tail = "14=1000|32=1000|151=0"
    fills = [f"{head}|37=1|11=a|721=47888826|{tail}", f"{head}|37=2|11=b|721=47888815|{tail}"]
    return fills + messages


def first_telling(text: str) -> str:
    """The same fill under another ExecID(17), executing (7) instead of executed (2)."""
    return text.replace("|39=2|", "|39=7|").replace("|17=81917", "|17=71917")


FXCM_ACCOUNT = "1206026806"
CASES = (
    # As printed, the documentation has no Symbol(55): nothing can be copied, and somebody is told, each time.
    Case("fxcm-partial-as-printed", "fxcm-docs-partial-then-rejected", "fxcm", alerts={"unknown_symbol": 5}),
    # 600,000 of 1,000,000 sold, the rest ends as 150=4 with 39=8: the position stays.
    Case(
        "fxcm-partial", "fxcm-docs-partial-then-rejected", "fxcm", (-600_000,), (-300_000,),
        symbols={"AUD/JPY": "AUDJPY"}, account="1537581", edit=restored,
    ),
    # A stop that is new twice and then moves is no fill.
    Case("fxcm-trailing-stop", "fxcm-trailing-stop-2016", "fxcm",
         symbols={"USD/JPY": "USDJPY"}, account=FXCM_ACCOUNT),
    # Nothing filled on either leg.
    Case("fxcm-list", "fxcm-list-leg-rejected-2016", "fxcm",
         symbols={"EUR/USD": "EURUSD"}, account=FXCM_ACCOUNT),
    # The leader was long 100,000 before we copied, and closes: the followers never had it.
    Case("fxcm-close-of-old", "fxcm-docs-market-2016", "fxcm",
         symbols={"AUD/CAD": "AUDCAD"}, account="01537581", positions={"AUDCAD": 100_000}),
    # The same close of a position that was copied; every fill told twice counts once.
    Case(
        "fxcm-open-and-close", "fxcm-docs-market-2016", "fxcm", (100_000, -100_000), (50_000, -50_000),
        symbols={"AUD/CAD": "AUDCAD"}, account="01537581", edit=opened_and_told_twice,
    ),
    # A fill without ExecID and LastPx.
    Case("ctrader-market", "ctrader-market-buy", "ctrader", (10_000,), (5_000,), symbols={"1": "EURUSD"}),
    # The same at its own time, years ago: an open that old is not copied.
    Case("ctrader-market-old", "ctrader-market-buy", "ctrader", refusals={"stale": 2},
         symbols={"1": "EURUSD"}, fresh=False),
    # With logon, and with a position report that disagrees: a single report moves nothing.
    Case("ctrader-logon", "ctrader-logon-market", "ctrader", (10_000,), (5_000,), symbols={"1": "EURUSD"}),
    # Canceled with nothing filled, although LeavesQty is above 0; then the refusal as 35=j.
    Case("ctrader-cancel", "ctrader-cancel", "ctrader", alerts={"leader_reject": 1}, symbols={"1": "EURUSD"}),
    # Replaced shows 39=0 and fills nothing.
    Case("ctrader-replace", "ctrader-replace", "ctrader", symbols={"1": "EURUSD"}),
    # Refused for its volume, a new logon, then accepted; not filled yet.
    Case("ctrader-copytrader", "ctrader-copytrader-2023", "ctrader", alerts={"leader_reject": 1},
         symbols={"3": "EURJPY"}, relogon_before=1),
    # Three messages in one read: the refusal at the end is seen.
    Case("ctrader-one-read", "ctrader-one-read-2023", "ctrader", alerts={"leader_reject": 1},
         symbols={"10014": "DE40"}, one_write=True),
    # Reports 1 to 3 of 6 open nothing.
    Case("ctrader-hedged", "ctrader-positions-hedged-2023", "ctrader",
         symbols={"1": "EURUSD", "3": "EURJPY"}),
    # The leader holds two of those positions, copied; each is reported by itself, and neither is a reduce.
    Case(
        "ctrader-hedged-held", "ctrader-positions-hedged-2023", "ctrader", (1_000, 1_000), (1_000,),
        symbols={"1": "EURUSD", "3": "EURJPY"}, edit=with_both_longs,
    ),
    # Bought 5, and the venue takes it back: the leader is flat, so the followers are; half of 5 is 2.
    Case("exberry-bust", "exberry-trade-bust", "exberry", (5, -5), (2, -2), alerts={"bust": 1},
         symbols={"AMZ": "AMZ"}, account="MP1"),
    # The third 100 of 300 is taken back and booked again at another price. The target waits for the operator,
    # so nothing is closed and nothing is opened a second time.
    Case(
        "exberry-correct", "exberry-trade-correct", "exberry", (100,), (50,), alerts={"bust": 1},
        refusals={"bust_hold": 2}, symbols={"AMZ": "AMZ"}, account="MP1", positions={"AMZ": 200},
    ),
    # The same where the followers follow: closed as it is taken back, bought again as it is booked again.
    Case(
        "exberry-correct-followed", "exberry-trade-correct", "exberry", (100, -100, 100), (50, -50, 50),
        alerts={"bust": 1}, symbols={"AMZ": "AMZ"}, account="MP1", positions={"AMZ": 200},
        on_bust="follow", one_by_one=True,
    ),
    # One strategy, three reports, one order; half of 1 is no whole lot and waits.
    Case("exberry-multileg", "exberry-multileg", "exberry", (1,), (),
         symbols={"S1": "STRATEGY"}, account="JPM-1"),
    # A triggered stop is no fill.
    Case("exberry-stop", "exberry-stop-triggered", "exberry", symbols={"111111": "BOND"}, account="JPM-1"),
    # Drop copies are not fills.
    Case("exberry-dropcopy", "exberry-dropcopy-adjust", "exberry", symbols={"AMZ": "AMZ"}, account="MP1"),
    # A trade report of an exchange's hub is not a fill of an order.
    Case("lse-hub", "lse-hub-trade-report", "copygate42"),
    # Nor is a history that was asked for.
    Case("lmax-history", "lmax-trade-history-2023", "lmax", symbols={"100934": "BTC"}, account="1649599582"),
    # The acknowledgement says "filled"; the fill comes under another OrderID.
    Case("banzai", "banzai-new-fill", "quickfix-executor", (10_000,), (5_000,), symbols={"MSFT": "MSFT"}),
    # 80,300 shares sold in one report that is the first of its order.
    Case("sungard", "sungard-order-fill", "copygate42", (-80_300,), (-40_150,),
         symbols={"HCBK": "HCBK"}, account="JWEK849300461"),
)  # fmt: skip

PRINTED = Case("sungard-as-printed", "sungard-order-fill", "copygate42",
               symbols={"HCBK": "HCBK"}, account="JWEK849300461")  # fmt: skip
"""Played byte by byte: its sum is wrong, so nothing of it counts."""

CME = Case(
    "cme-gap", "cme-gap-and-resend-2021", "cme", (500_000,) * 5, (500_000,) * 2,
    symbols={"6ZCN1": "RAND"}, account="EPAM", alerts={"leader_gap": 1},
)  # fmt: skip
"""Five orders of one contract, some three times, some only in the second resend. Half of 5 contracts is 2.
The first message passes over numbers that never came."""
