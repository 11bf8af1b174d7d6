"""JSON as APNs reads it: what RFC 8259 allows in UTF-8, and nothing else that Python's reader takes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.apns.json_text import MAX_DEPTH, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_what_rfc_8259_allows_is_read(value: object, ascii_only: bool) -> None:
    assert read_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\xef\xbb\xbf{}",
        '{"a":"ä"}'.encode("latin-1"),
        b"\xff\xfe{\x00}\x00",
        *('{"a":1}'.encode(name) for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le")),
        b'{"a":"\xed\xa0\x80"}',  # half a surrogate pair as UTF-8 would write it if it could
        b'{"a":"\xc0\x80"}',  # an overlong NUL
        b"NaN",
        b'{"a":NaN}',
        b'{"a":[Infinity]}',
        b"-Infinity",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":01}',
        b'{"a":.5}',
        b'{"a":+1}',
        b'{"a":0x10}',
        b'{"a":"\n"}',
        b'{"a":"\\x41"}',
        b'{"a":"\\ud83"}',
        b'{"a":1}{}',
        b"{}\x00",
        b"// c\n{}",
        "{}\u00a0".encode(),
        b"[" * 3000,
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
    ],
)
def test_what_it_does_not_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_json(octets)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (r'"\ud83d\ude00"', "\U0001f600"),
        (r'"\uD83D\uDE00"', "\U0001f600"),
        (r'"\ud83d"', "\ufffd"),
        (r'"\ude00"', "\ufffd"),
        (r'"\ude00\ud83d"', "\ufffd\ufffd"),
        (r'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        (r'"a\ud83d b"', "a\ufffd b"),
        (r'"\\ud83d"', r"\ud83d"),
        (r'"\\\ud83d"', "\\\ufffd"),
        (r'"\\\\ud83d"', r"\\ud83d"),
        (r'"\"\ud83d\""', '"\ufffd"'),
        (r'{"\udfff":1}', {"\ufffd": 1}),
        (r'"\u00e9\n"', "é\n"),
    ],
)
def test_half_a_surrogate_pair_becomes_the_replacement_character(text: str, meant: object) -> None:
    assert read_json(text.encode()) == meant


@given(st.text(st.sampled_from('\\ud8D3dE0"[]{}:,1a '), max_size=40))
def test_whatever_is_read_can_be_written_as_utf_8(text: str) -> None:
    try:
        value = read_json(text.encode())
    except ValueError:
        return
    assert json.loads(json.dumps(value, ensure_ascii=False).encode()) == value


def test_as_deep_as_allowed() -> None:
    brackets_in_text = b'{"a":"' + b"[" * 3000 + b'\\"{"}'
    assert read_json(brackets_in_text) == {"a": "[" * 3000 + '"{'}
    assert read_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert len(read_json(b"[" + b"[],{}," * 1000 + b"1]")) == 2001
