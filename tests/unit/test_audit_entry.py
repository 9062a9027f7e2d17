"""Entries are canonical bytes: one form for one meaning."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal

import pytest

from gateway.audit.entry import (
    EntryError,
    canonical,
    day_of,
    from_replay,
    genesis,
    pack,
    unpack,
    whole_number,
)
from tests.unit.audit_rows import DAY_NS, decision


def test_keys_are_sorted_by_utf16_code_unit() -> None:
    """RFC 8785 §3.2.3: a supplementary character sorts before U+FB33, other than by code point."""
    assert canonical({"\ufb33": 1, "\U0001f600": 2, "a": 3}) == '{"a":3,"\U0001f600":2,"\ufb33":1}'.encode()


def test_control_characters_have_the_shortest_escape() -> None:
    """RFC 8785 §3.2.2.2: \\n stays short, others are \\u00xx in lower case, the rest is itself."""
    assert canonical('\n\x1f"\\/é\x7f') == '"\\n\\u001f\\"\\\\/é\x7f"'.encode()


def test_a_decimal_becomes_text_without_exponent() -> None:
    """A quantity keeps every digit."""
    assert canonical({"q": Decimal("1E+3"), "p": Decimal("0.000000000000000001")}) == (
        b'{"p":"0.000000000000000001","q":"1000"}'
    )


@pytest.mark.parametrize("value", [0.5, {"a": [1.0]}, 2**53, {1: "a"}, "\ud800", b"bytes"])
def test_what_has_no_exact_form_is_refused(value: object) -> None:
    """Floats, integers beyond 2**53 - 1, keys that are not text, lone surrogates, bytes."""
    with pytest.raises(EntryError):
        canonical(value)


@pytest.mark.parametrize("text", ['{"q":0.5}', '{"q":NaN}', "[]", "{", '"x"'])
def test_a_replay_line_that_is_no_exact_object_names_its_row(text: str) -> None:
    """The message says which journal row is at fault."""
    with pytest.raises(EntryError, match=r"row 7|not exact"):
        from_replay(7, "decision", text)


def test_unknown_fields_stay_and_places_are_null() -> None:
    """A newer engine may say more; pseudonyms, rule hash and salted digests have their place."""
    entry = from_replay(*decision(3, strange={"b": "1", "a": ["x"]}))
    assert entry.fields["strange"] == {"a": ["x"], "b": "1"}
    assert b'"pseudonym":null' in entry.data
    assert b'"rule_hash":null' in entry.data
    assert b'"_sd":null' in entry.data
    first = genesis(entry)
    assert b'"_sd_alg":null' in first.data
    assert first.fields["form"] == "copygate-audit/1"


def test_the_same_meaning_gives_the_same_bytes() -> None:
    """Order of keys and white space of the source do not show."""
    assert from_replay(1, "x", '{"b": "2", "a":"1"}').data == from_replay(1, "x", '{"a":"1","b":"2"}').data


def test_a_field_too_long_for_an_entry_gives_way_to_its_digest() -> None:
    """A start with the configuration of 10,000 followers must not stop the log; equal input, equal bytes."""
    text = json.dumps({"config": ["y" * 100] * 1000, "epoch": "3"})
    entry = from_replay(1, "start", text)
    digest = hashlib.sha256(canonical(["y" * 100] * 1000)).hexdigest()
    assert entry.fields["config"] == {"sha256": digest, "bytes": "103001"}
    assert entry.fields["epoch"] == "3"
    assert entry.data == from_replay(1, "start", text).data


def test_an_entry_too_long_in_many_small_fields_is_refused() -> None:
    """Nothing is worth a digest, so the message says so."""
    with pytest.raises(EntryError, match="at most 65535"):
        from_replay(1, "x", json.dumps({str(n): "y" * 200 for n in range(1000)}))


def test_a_bundle_unpacks_to_what_was_packed_and_a_cut_one_is_an_error() -> None:
    """No prefix of a bundle is read as a shorter bundle unless the cut is between entries."""
    entries = [b"", b"a", b"b" * 300]
    data = pack(entries)
    assert list(unpack(data)) == entries
    for cut in set(range(len(data))) - {0, 2, 5}:
        with pytest.raises(EntryError, match="cut"):
            list(unpack(data[:cut]))


def test_a_day_ends_at_midnight_utc_to_the_nanosecond() -> None:
    """The last nanosecond of a day is not rounded into the next one."""
    assert day_of(20_000 * DAY_NS - 1) == "20241003"
    assert day_of(20_000 * DAY_NS) == "20241004"


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *[("12", 12), ("-3", -3), (5, 5), ("1.0", None), ("", None)],
        *[(None, None), (True, None), ("²", None), ("9" * 30, None)],
    ],
)
def test_a_count_is_read_from_text_or_not_at_all(value: object, number: int | None) -> None:
    """Nothing is guessed: what is not a whole number of 64 bits is absent."""
    assert whole_number(value) == number
