"""Audit entries: canonical bytes in, canonical bytes out. Pure: no files, no clock.

An entry is one JSON object in the form of RFC 8785: keys sorted by UTF-16 code unit, no white space, the
shortest escapes. Decimals and nanoseconds are strings, so no reader can round them. The same journal gives
the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from gateway.errors import ExitCode, OperatingError

FORM = "copygate-audit/1"
"""Written in the genesis entry. Added to, never renamed: a reader decides by it what it can check."""

PLACES: Mapping[str, tuple[str, ...]] = {
    "genesis": ("origin", "key", "_sd_alg"),
    "decision": ("pseudonym", "rule_hash", "conversion", "stages", "_sd"),
    "order": ("pseudonym", "_sd"),
    "outcome": ("pseudonym", "stages", "_sd"),
    "mirror": ("pseudonym", "rule_hash", "_sd"),
}
"""Fields that later steps fill in. They are null from the start, so that filling them is not a new form.

`_sd` and `_sd_alg` are RFC 9901's names: salted digests of the fields that are private. A leaf hash has no
place in its own entry; it stands in the table `tile`, the signed root in `checkpoint`.
"""

ENTRY_BYTES_MAX = 65_535
"""The length in front of an entry in a bundle is a uint16 (tlog-tiles)."""

FOLDED_NEVER = frozenset({"kind", "journal", "at_ns"})
"""What every reader needs to place an entry."""

FOLDED_BYTES_MIN = 256
"""A field shorter than this is not replaced by its digest: nothing would be won."""

INTEGER_MAX = 2**53 - 1
"""RFC 8785 numbers are IEEE doubles: beyond this an integer is no longer exact, so it must be a string."""

NS_PER_S = 1_000_000_000


class EntryError(OperatingError):
    """An entry that cannot be written; the message names the field and says why."""

    exit_code = ExitCode.INTERNAL


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, ready to be stored. `journal` is the journal row that caused it."""

    journal: int
    kind: str
    at_ns: int | None
    data: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """What `data` says. Read anew each time: as values an entry takes five times its length, and a fill
        has as many entries as followers."""
        found: dict[str, Any] = json.loads(self.data)
        return found


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value.

    Raises EntryError for floats, integers beyond 2**53 - 1, keys that are not text and lone surrogates.
    """
    text = json.dumps(_ordered(value, "entry"), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise EntryError(f"entry: lone surrogate at character {error.start}, not valid Unicode") from error


def _ordered(value: Any, path: str) -> Any:
    """The same value with sorted keys; refuses what JSON cannot hold exactly."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int):
        if abs(value) > INTEGER_MAX:
            raise EntryError(f"{path}: integer {value} is not exact in JSON; write it as a string")
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise EntryError(f"{path}: key {key!r} is not text")
        keys = sorted(value, key=_utf16)
        return {key: _ordered(value[key], f"{path}.{key}") for key in keys}
    if isinstance(value, list | tuple):
        return [_ordered(item, f"{path}[{i}]") for i, item in enumerate(value)]
    raise EntryError(f"{path}: {type(value).__name__} has no exact form; write it as a string")


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")


def _no_float(text: str) -> Any:
    raise EntryError(f"entry: number {text} is not exact in JSON; write it as a string")


def from_replay(journal: int, kind: str, text: str) -> Entry:
    """The entry for one line of the replay: checked, its places filled in, made canonical.

    Fields that this reader does not know are kept as they are.
    """
    return build(journal, kind, parsed(journal, text))


def parsed(journal: int, text: str) -> dict[str, Any]:
    """One JSON object without floats."""
    try:
        fields = json.loads(text, parse_float=_no_float, parse_constant=_no_float)
    except json.JSONDecodeError as error:
        raise EntryError(f"journal row {journal}: not JSON at character {error.pos}") from error
    if not isinstance(fields, dict):
        raise EntryError(f"journal row {journal}: an entry is an object, got {type(fields).__name__}")
    return fields


def build(journal: int, kind: str, fields: Mapping[str, Any]) -> Entry:
    """Puts kind, journal row and the places for later fields into `fields` and encodes them."""
    whole: dict[str, Any] = dict.fromkeys(PLACES.get(kind, ()))
    whole.update(fields)
    whole["kind"] = kind
    whole["journal"] = str(journal)
    data = _fitted(whole)
    return Entry(journal, kind, whole_number(whole.get("at_ns")), data)


def _fitted(whole: dict[str, Any]) -> bytes:
    """The bytes of an entry; its largest fields give way to their SHA-256 until the length fits its uint16.

    A start carries the whole configuration, megabytes with many followers. The journal keeps the original;
    the digest still binds it. The log must go on, and must be the same on every replay.
    """
    data = canonical(whole)
    while len(data) > ENTRY_BYTES_MAX:
        parts = {key: canonical(value) for key, value in whole.items() if key not in FOLDED_NEVER}
        largest = max(sorted(parts), key=lambda key: len(parts[key]))
        if len(parts[largest]) < FOLDED_BYTES_MIN:
            raise EntryError(f"entry: {len(data)} bytes, at most {ENTRY_BYTES_MAX}; no field to shorten")
        digest = hashlib.sha256(parts[largest]).hexdigest()
        whole[largest] = {"sha256": digest, "bytes": str(len(parts[largest]))}
        data = canonical(whole)
    return data


def genesis(first: Entry) -> Entry:
    """The entry in front of all others. Its time is that of the first row: the same on every replay."""
    fields: dict[str, Any] = {"form": FORM}
    if first.at_ns is not None:
        fields["at_ns"] = str(first.at_ns)
    return build(first.journal, "genesis", fields)


def whole_number(value: Any) -> int | None:
    """A count or a time in ns that came as text. None when absent or not a whole number."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        digits = value[1:] if value.startswith("-") else value
        if digits.isascii() and digits.isdigit() and len(digits) <= 19 and int(digits) < 2**63:
            return int(value)
    return None


def day_of(at_ns: int) -> str:
    """UTC day as YYYYMMDD. Integer arithmetic: a float of ns could put midnight on the wrong side."""
    return datetime.fromtimestamp(at_ns // NS_PER_S, tz=UTC).strftime("%Y%m%d")


def pack(entries: Iterable[bytes]) -> bytes:
    """A bundle: for each entry its length as uint16, big-endian, and its bytes (tlog-tiles)."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def unpack(data: bytes) -> Iterator[bytes]:
    """The entries of a bundle. Raises EntryError when the bundle is cut."""
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise EntryError(f"bundle is cut at byte {at} of {len(data)}")
        yield data[at + 2 : end]
        at = end
