"""Broken characters in JSON are repaired, and nothing else is changed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.json_body import repaired

FFFD = rb"\ufffd"
CASES: list[tuple[bytes, bytes]] = [
    (b"", b""),
    (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
    (rb'"\uD83D"', rb'"\ufffd"'),
    (rb'"\ude00\ud83d"', rb'"\ufffd\ufffd"'),
    (rb'"\ud83d\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"'),
    (rb'"\ud83d\\ude00"', rb'"\ufffd\\ude00"'),  # a backslash, and letters
    (rb'"\\ud83d"', rb'"\\ud83d"'),
    (rb'"\\\ud83d"', rb'"\\\ufffd"'),
    (rb'"\ud83"', rb'"\ud83"'),  # JSON that is really broken stays broken
    (b'"\\', b'"\\'),
    (b'\xef\xbb\xbf"x"', b'"x"'),
    (b'"\xed\xa0\xbd\xed\xb8\x80"', '"😀"'.encode()),
    (b'"\xed\xb8\x80\xed\xa0\xbd"', '"\ufffd\ufffd"'.encode()),
    (b'"\xc3"', '"\ufffd"'.encode()),
    ('"é"'.encode("latin-1"), '"\ufffd"'.encode()),
]


@pytest.mark.parametrize(("body", "expected"), CASES)
def test_only_what_is_broken_is_changed(body: bytes, expected: bytes) -> None:
    assert repaired(body) == expected


TEXT = st.text(st.characters() | st.sampled_from('\\"\ud83d\ude00\udfff/u'))
VALUE = st.recursive(TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner))


@given(VALUE, st.booleans())
def test_python_reads_the_same_with_every_half_of_a_pair_replaced(value: Any, escaped: bool) -> None:
    body = json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    text = json.dumps(value).encode()
    halves = json.dumps(json.loads(text), ensure_ascii=False).encode("utf-16-le", "surrogatepass")
    assert json.loads(repaired(body)) == json.loads(halves.decode("utf-16-le", "replace"))


@given(st.binary())
def test_whatever_comes_out_is_utf_8_and_needs_no_repair(body: bytes) -> None:
    once = repaired(body)
    once.decode()
    assert repaired(once) == once.removeprefix(b"\xef\xbb\xbf")
