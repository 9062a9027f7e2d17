"""FIX tag=value text for the simulators: small, strict, and independent of the gateway's own reader.

The simulators must not share code with what they test, so they carry their own reader and writer.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

SOH = "\x01"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Fields = list[tuple[int, str]]


def encode(begin_string: str, fields: Fields) -> bytes:
    """Frames fields as one message with BodyLength(9) and CheckSum(10). Fields start with MsgType(35)."""
    for tag, value in fields:
        if not value or SOH in value:
            raise ValueError(f"tag {tag}: value must be non-empty and without SOH, got {value!r}")
    body = "".join(f"{tag}={value}{SOH}" for tag, value in fields).encode("utf-8", "surrogateescape")
    head = f"8={begin_string}{SOH}9={len(body)}{SOH}".encode()
    total = sum(head + body) % 256
    return head + body + f"10={total:03d}{SOH}".encode()


def decode(raw: bytes) -> Fields:
    """Reads every tag=value pair in wire order. Raises ValueError on a part without a numeric tag."""
    text = raw.decode("utf-8", "surrogateescape")
    fields: Fields = []
    for part in text.split(SOH):
        if not part:
            continue
        tag, equals, value = part.partition("=")
        if not equals or not tag.isascii() or not tag.isdigit():
            raise ValueError(f"not a FIX field: {part[:40]!r}")
        fields.append((int(tag), value))
    return fields


def first(fields: Fields, tag: int) -> str:
    """The first value of a tag, or empty text when it is absent."""
    return next((value for found, value in fields if found == tag), "")


def decimal_or_none(text: str) -> Decimal | None:
    """An exact decimal, or None for text that FIX does not allow as a number (NaN, exponents, empty)."""
    if not text or any(c not in "+-.0123456789" for c in text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def number(value: Decimal) -> str:
    """Shortest exact text of a decimal, never with an exponent."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def utc(at_ns: int) -> str:
    """UTCTimestamp with milliseconds. Integer arithmetic only."""
    moment = EPOCH + timedelta(seconds=at_ns // 1_000_000_000)
    return f"{moment:%Y%m%d-%H:%M:%S}.{at_ns // 1_000_000 % 1000:03d}"


def trade_date(at_ns: int) -> str:
    """The UTC date as YYYYMMDD."""
    return utc(at_ns)[:8]
