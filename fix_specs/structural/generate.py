"""Writes the structural dictionaries from the ones that QuickFIX installs.

A structural dictionary tells QuickFIX where repeating groups are and nothing else. Without it, QuickFIX
answers a report that carries an undeclared group with Reject(3), and the fill is lost. So every field is a
string (data fields keep their type, because their length must be honoured), no field has enumerated values,
nothing is required, and the groups of all versions are declared for each message, flat: a nested counter is
one more member of its group.

Run: `python fix_specs/structural/generate.py` (reads `<prefix>/share/quickfix`, writes beside itself).
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path

VERSIONS = ("FIX42", "FIX43", "FIX44", "FIX50", "FIX50SP1", "FIX50SP2")
TARGETS = {
    "FIX42": ("FIX", 4, 2),
    "FIX43": ("FIX", 4, 3),
    "FIX44": ("FIX", 4, 4),
    "FIX50SP2": ("FIX", 5, 0),
    "FIXT11": ("FIXT", 1, 1),
}
CLASSIC = ("FIX42", "FIX43", "FIX44")
NEWER = ("8", "AP", "W")
"""Messages whose groups are taken from 5.0 and later too; the newer groups of all others would cost 200 MB a
process."""
FULL = ("8", "AP")
"""Fills and positions: they may carry the groups of any of `SOURCES`, since brokers move groups about."""
COMMON = ("9", "j", "BA", "W")
"""The other messages we act on: they may carry those groups as FIX 4.2 to 4.4 have them, and their own.
Those of 5.0 and later, ten times as many, would cost each process 1 MB."""
SOURCES = ("8", "9", "j", "AP", "W", "D")
CUSTOM = (*("U" + c for c in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"), "BA")
"""Message types that venues invent. An unknown type would be rejected before we see it."""

NAME_CHARS_MAX = 15
"""A longer name takes memory of its own, twice, for each field in each process. Nothing shows the names."""

Groups = dict[str, dict[str, list[str]]]


class Merged:
    """The union of all versions: field numbers and types, messages, and each message's flat groups."""

    def __init__(self) -> None:
        self.fields: dict[str, tuple[int, str]] = {}
        self.messages: dict[str, tuple[str, str]] = {}
        self.groups: Groups = {}
        self.classic: Groups = {}
        """The same of FIX 4.2 to 4.4 alone."""
        self.components: dict[str, ET.Element] = {}

    def add(self, root: ET.Element, version: str) -> None:
        """Merges one installed dictionary; the first name seen for a number stays."""
        known = {number for number, _ in self.fields.values()}
        self.names = {f.attrib["name"]: int(f.attrib["number"]) for f in root.iterfind("fields/field")}
        for field in root.iterfind("fields/field"):
            number, kind = int(field.attrib["number"]), field.attrib["type"]
            if number not in known:
                name = field.attrib["name"]
                unique = name if name not in self.fields else f"{name}{number}"
                self.fields[unique] = (number, "DATA" if kind in ("DATA", "XMLDATA") else "STRING")
                known.add(number)
        self.by_number = {number: name for name, (number, _) in self.fields.items()}
        self.components = {c.attrib["name"]: c for c in root.iterfind("components/component")}
        for message in root.iterfind("messages/message"):
            kind = message.attrib["msgtype"]
            self.messages.setdefault(kind, (message.attrib["name"], message.attrib.get("msgcat", "app")))
            groups = self.groups.setdefault(kind, {})
            if version in CLASSIC or kind in NEWER:
                self._walk(message, groups, [])
            if version in CLASSIC:
                self._walk(message, self.classic.setdefault(kind, {}), [])

    def _walk(self, node: ET.Element, groups: dict[str, list[str]], open_groups: list[str]) -> None:
        for child in node:
            if child.tag == "component":
                self._walk(self.components[child.attrib["name"]], groups, open_groups)
                continue
            name = self.by_number[self.names[child.attrib["name"]]]
            for counter in open_groups:
                if name not in groups[counter]:
                    groups[counter].append(name)
            if child.tag == "group":
                if not open_groups:
                    groups.setdefault(name, [])
                self._walk(child, groups, open_groups or [name])

    def of(self, msgtype: str) -> dict[str, list[str]]:
        """The groups that a message of this type may carry."""
        own = self.groups.get(msgtype, {})
        if msgtype in FULL:
            return union(self.groups[source] for source in SOURCES)
        if msgtype in COMMON:
            return union([own, *(self.classic[source] for source in SOURCES)])
        return own


def union(sources: Iterable[dict[str, list[str]]]) -> dict[str, list[str]]:
    """Every counter with the union of its members."""
    found: dict[str, list[str]] = {}
    for groups in sources:
        for counter, members in groups.items():
            seen = found.setdefault(counter, [])
            seen.extend(m for m in members if m not in seen)
    return found


def _frame(root: ET.Element, source: ET.Element, part: str) -> None:
    """Copies the header or trailer with nothing required."""
    target = ET.SubElement(root, part)
    for child in source.find(part) or ():
        copy = ET.SubElement(target, child.tag, name=child.attrib["name"], required="N")
        for member in child:
            ET.SubElement(copy, member.tag, name=member.attrib["name"], required="N")


def _groups(message: ET.Element, groups: dict[str, list[str]]) -> None:
    for counter in sorted(groups):
        if groups[counter]:
            group = ET.SubElement(message, "group", name=counter, required="N")
            for member in groups[counter]:
                ET.SubElement(group, "field", name=member, required="N")


def build(merged: Merged, target: str, installed: Path) -> ET.Element:
    """One structural dictionary. FIXT11 holds the session messages only, FIX50SP2 the application ones
    only."""
    kind, major, minor = TARGETS[target]
    root = ET.Element("fix", type=kind, major=str(major), minor=str(minor), servicepack="0")
    frame = ET.parse(installed / ("FIXT11.xml" if major == 5 else f"{target}.xml")).getroot()
    _frame(root, frame, "header")
    _frame(root, frame, "trailer")
    messages = ET.SubElement(root, "messages")
    for msgtype, (name, category) in sorted(merged.messages.items()):
        if (target == "FIXT11" and category != "admin") or (target == "FIX50SP2" and category == "admin"):
            continue
        message = ET.SubElement(messages, "message", name=name, msgtype=msgtype, msgcat=category)
        ET.SubElement(message, "field", name="Text", required="N")
        _groups(message, merged.of(msgtype))
    for msgtype in CUSTOM if target != "FIXT11" else ():
        if msgtype not in merged.messages:
            message = ET.SubElement(
                messages, "message", name=f"Custom{msgtype}", msgtype=msgtype, msgcat="app"
            )
            ET.SubElement(message, "field", name="Text", required="N")
            _groups(message, merged.of(msgtype))
    used = {node.attrib["name"] for node in root.iter() if node.tag in ("field", "group")}
    fields = ET.SubElement(root, "fields")
    for name, (number, field_type) in sorted(merged.fields.items(), key=lambda item: item[1]):
        # A field that is in no group says nothing: unknown ones are allowed. Of data fields the type counts.
        if name not in used and field_type != "DATA":
            continue
        ET.SubElement(fields, "field", number=str(number), name=name, type=field_type)
    for node in root.iter():
        if node.tag in ("field", "group"):
            name = node.attrib["name"]
            node.attrib["name"] = name if len(name) <= NAME_CHARS_MAX else f"F{merged.fields[name][0]}"
    return root


def write(installed: Path, folder: Path) -> list[Path]:
    """Writes all targets into `folder` and returns their paths."""
    merged = Merged()
    for version in (*VERSIONS, "FIXT11"):
        merged.add(ET.parse(installed / f"{version}.xml").getroot(), version)
    paths = []
    for target in TARGETS:
        root = build(merged, target, installed)
        ET.indent(root, " ")
        path = folder / f"{target}.xml"
        path.write_text(ET.tostring(root, encoding="unicode") + "\n", encoding="utf-8")
        paths.append(path)
    return paths


if __name__ == "__main__":
    for written in write(Path(sys.prefix) / "share" / "quickfix", Path(__file__).parent):
        print(written.name, written.stat().st_size)
