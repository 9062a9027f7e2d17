"""Writes COPYGATE44.xml, the dictionary of our own dialect, from the table below.

Field numbers and types come from the FIX44 dictionary that QuickFIX installs; which message carries which
field, and what is required, is ours. Brokers certify against it; our own sessions use the structural
dictionaries.

Run: `python fix_specs/dialect.py`.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

HEADER = (
    "BeginString! BodyLength! MsgType! SenderCompID! TargetCompID! MsgSeqNum! SendingTime! SenderSubID "
    "TargetSubID "
    "PossDupFlag PossResend OrigSendingTime"
)
TRAILER = "CheckSum!"
ORDER = "ClOrdID! Account! Symbol! Side! OrderQty! TransactTime!"
GROUPS = {
    "NoMDEntries": "MDEntryType! MDEntryPx!",
    "NoPositions": "PosType! LongQty ShortQty",
}
MESSAGES = {
    "0 Heartbeat": "TestReqID",
    "1 TestRequest": "TestReqID!",
    "2 ResendRequest": "BeginSeqNo! EndSeqNo!",
    "3 Reject": "RefSeqNum! RefTagID RefMsgType SessionRejectReason Text",
    "4 SequenceReset": "GapFillFlag NewSeqNo!",
    "5 Logout": "Text",
    "A Logon": "EncryptMethod! HeartBtInt! ResetSeqNumFlag Username Password",
    "B News": "Headline! Text",
    "D NewOrderSingle": f"{ORDER} OrdType! Price StopPx TimeInForce",
    "F OrderCancelRequest": f"OrigClOrdID! OrderID {ORDER}",
    "G OrderCancelReplaceRequest": f"OrigClOrdID! OrderID {ORDER} OrdType! Price StopPx TimeInForce",
    "H OrderStatusRequest": "ClOrdID! OrderID OrdStatusReqID! Account! Symbol! Side!",
    "AF OrderMassStatusRequest": "MassStatusReqID! MassStatusReqType! Account",
    "AN RequestForPositions": "PosReqID! PosReqType! Account ClearingBusinessDate! TransactTime!",
    "BB CollateralInquiry": "CollInquiryID! Account",
    "8 ExecutionReport": "OrderID! ExecID! ExecType! OrdStatus! ClOrdID OrigClOrdID Account! Symbol! Side! "
    "OrderQty! OrdType TimeInForce Price StopPx LastQty LastPx CumQty! LeavesQty! AvgPx! TransactTime! "
    "ExecRefID OrdRejReason OrdStatusReqID MassStatusReqID TotNumReports LastRptRequested "
    "ExecRestatementReason Text",
    "9 OrderCancelReject": "OrderID! ClOrdID! OrigClOrdID! OrdStatus! CxlRejReason CxlRejResponseTo! "
    "TransactTime Text",
    "j BusinessMessageReject": "RefSeqNum RefMsgType! BusinessRejectRefID BusinessRejectReason! Text",
    "AP PositionReport": "PosMaintRptID! PosReqID TotalNumPosReports PosReqResult! Account! AccountType "
    "ClearingBusinessDate Symbol SettlPrice SettlPriceType PriorSettlPrice NoPositions",
    "BA CollateralReport": "CollRptID! CollStatus! Account! Currency! MarginExcess! TotalNetValue! "
    "CashOutstanding! TransactTime",
    "W MarketDataSnapshotFullRefresh": "Symbol! TransactTime NoMDEntries!",
    "h TradingSessionStatus": "TradingSessionID! TradSesStatus! Text",
    "f SecurityStatus": "Symbol! SecurityTradingStatus! Text",
}
"""MsgType and name: the fields, `!` after a required one."""
ADMIN = "0123 45A"


def build(installed: Path) -> ET.Element:
    """The dictionary as XML."""
    known = {
        f.attrib["name"]: (int(f.attrib["number"]), f.attrib["type"])
        for f in ET.parse(installed / "FIX44.xml").getroot().iterfind("fields/field")
    }
    root = ET.Element("fix", type="FIX", major="4", minor="4", servicepack="0")
    used: set[str] = set()
    _fields(ET.SubElement(root, "header"), HEADER, used)
    _fields(ET.SubElement(root, "trailer"), TRAILER, used)
    messages = ET.SubElement(root, "messages")
    for key, fields in MESSAGES.items():
        msgtype, name = key.split()
        category = "admin" if msgtype in ADMIN else "app"
        _fields(ET.SubElement(messages, "message", name=name, msgtype=msgtype, msgcat=category), fields, used)
    section = ET.SubElement(root, "fields")
    for name in sorted(used, key=lambda name: known[name][0]):
        ET.SubElement(section, "field", number=str(known[name][0]), name=name, type=known[name][1])
    return root


def _fields(parent: ET.Element, names: str, used: set[str]) -> None:
    for entry in names.split():
        name, required = entry.rstrip("!"), "Y" if entry.endswith("!") else "N"
        used.add(name)
        kind = "group" if name in GROUPS else "field"
        node = ET.SubElement(parent, kind, name=name, required=required)
        if name in GROUPS:
            _fields(node, GROUPS[name], used)


if __name__ == "__main__":
    tree = build(Path(sys.prefix) / "share" / "quickfix")
    ET.indent(tree, " ")
    target = Path(__file__).parent / "COPYGATE44.xml"
    target.write_text(ET.tostring(tree, encoding="unicode") + "\n", encoding="utf-8")
