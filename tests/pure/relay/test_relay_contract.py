"""The wire contract: what every request accepts and refuses, wire names, replies."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from relay import contract
from relay.contract import (
    ContentState,
    ContractError,
    DeviceRegister,
    DeviceUnregister,
    Event,
    EventReply,
    Health,
    Ok,
    Refusal,
)

SECRET = "0123456789abcdef"
TOKEN = "ab" * 32
STATE: dict[str, Any] = {"status": "working", "sessionTitle": "Fix the tests", "lastMessage": "Running them"}
REQUEST = {
    "id": "per_1",
    "kind": "question",
    "nonce": "n" * 22,
    "expiresAt": 1790000000,
    "choices": [{"value": "0", "label": "Red"}, {"value": "1"}],
    "multiple": True,
    "typed": True,
    "kid": "Yw3NKWbEM2Y",
}
ENVELOPE = {"v": 1, "kid": "Yw3NKWbEM2Y", "n": "AQEBAQEBAQEBAQEB", "ct": "A" * 40}

LEAST: dict[type[contract.Message], dict[str, Any]] = {
    DeviceRegister: {"secret": SECRET, "deviceToken": TOKEN},
    DeviceUnregister: {"secret": SECRET, "deviceToken": TOKEN},
    Event: {"secret": SECRET, "eventType": "complete", "sessionID": "ses_1"},
}
"""What old servers and old apps send: the required fields alone."""

ALL: dict[type[contract.Message], dict[str, Any]] = {
    DeviceRegister: LEAST[DeviceRegister]
    | {
        "bundleId": "com.example.app",
        "apnsEnv": "sandbox",
        "pushToStartToken": "cd" * 80,
        "activityFormat": "expo-widgets",
        "kid": "Yw3NKWbEM2Y",
    },
    DeviceUnregister: LEAST[DeviceUnregister],
    Event: LEAST[Event]
    | {
        "serverID": "0123456789abcdef",
        "title": "Done",
        "body": "All tests pass",
        "contentState": STATE | {"retryInfo": "Retry 2 in 8s", "stale": True, "enc": ENVELOPE},
        "eventID": "evt_1",
        "replaces": "evt_0",
        "enc": ENVELOPE,
        "request": REQUEST,
        "withdraws": ["per_1", "que_2"],
    },
}

CASES = [(kind, name) for kind in LEAST for name in LEAST[kind]]
NOT_TEXT: list[Any] = [None, 1, 1.5, True, [], ["x"], {}, {"a": 1}]

TOPICS = [
    "com.example.app.voip",
    "com.example.app.voip-ptt",
    "com.example.app.complication",
    "com.example.app.location-query",
    "com.example.app.pushkit.fileprovider",
    "com.example.app.push-type.liveactivity",
    "com.example.app.push-type.widgets",
    "com.example.app.push-type.controls",
]
"""Apple, "Sending notification requests to APNs", the table of apns-push-type: topics, none of them a bundle id."""

BAD: dict[str, list[Any]] = {
    "secret": ["", "x" * 15, "x" * 513, *NOT_TEXT],
    "deviceToken": [
        "",
        "a",
        "abc",
        "a" * 63,
        "xyz",
        "ab" * 257,
        "ab cd",
        "ab\n",
        "ab/../cd",
        "äb" * 8,
        *NOT_TEXT,
    ],
    "pushToStartToken": ["", "abc", "xyz", "ab" * 257, *NOT_TEXT[1:]],
    "bundleId": [
        "",
        "com.example app",
        "com/example",
        "a" * 156,
        "com.ex\n",
        "com.é",
        *TOPICS,
        *NOT_TEXT[1:],
    ],
    "apnsEnv": ["", "Production", "development", *NOT_TEXT],
    "activityFormat": ["", "FLAT", "expo", *NOT_TEXT[1:]],
    "eventType": ["", "Complete", "started", *NOT_TEXT],
    "sessionID": ["", "a b", "a\n", "x" * 129, "ü", "\x7f", *NOT_TEXT],
    "serverID": ["", "a b", "x" * 129, "ü", *NOT_TEXT[1:]],
    "title": ["", *NOT_TEXT[1:]],
    "body": ["", *NOT_TEXT[1:]],
    "contentState": ["x", 1, True, [], {}, STATE | {"status": "done"}],
    "eventID": ["", "x" * 65, "a b", "ü", *NOT_TEXT[1:]],
    "replaces": ["", "x" * 65, "a b", *NOT_TEXT[1:]],
    "kid": ["", "x" * 10, "x" * 12, "x" * 10 + "\n", "x" * 10 + "=", *NOT_TEXT[1:]],
    "enc": [
        "x",
        {},
        *(
            ENVELOPE | {name: value}
            for name in ("kid", "n", "ct")
            for value in ("", "A" * 2701, "!" * 22, None)
        ),
        ENVELOPE | {"v": "1"},
    ],
    "withdraws": ["per_1", [1], ["a b"], [""], ["x" * 129], ["per_1"] * 101],
    "request": [
        "per_1",
        {},
        *(REQUEST | {name: None} for name in ("id", "kind", "nonce", "expiresAt")),
        REQUEST | {"kind": "wish"},
        REQUEST | {"nonce": "n" * 21},
        REQUEST | {"nonce": "n" * 22 + "\n"},
        REQUEST | {"expiresAt": -1},
        REQUEST | {"expiresAt": 1.5},
        REQUEST | {"choices": [{"value": ""}]},
        REQUEST | {"choices": [{"value": "0"}] * 9},
        REQUEST | {"choices": [{"value": "0", "label": "x" * 81}]},
    ],
}
BAD_CASES = [
    pytest.param(kind, name, value, id=f"{kind.__name__}-{name}-{number}")
    for kind in ALL
    for name in ALL[kind]
    for number, value in enumerate(BAD[name])
]


def read(kind: type[contract.Message], fields: object) -> Any:
    return contract.decode(json.dumps(fields).encode(), kind)


@pytest.mark.parametrize("kind", LEAST)
def test_required_fields_are_enough(kind: type[contract.Message]) -> None:
    assert read(kind, LEAST[kind])


def test_defaults() -> None:
    device = read(DeviceRegister, LEAST[DeviceRegister])
    assert device.apns_env == "production"
    assert (device.bundle_id, device.push_to_start_token, device.activity_format) == (None, UNSET, None)
    event = read(Event, LEAST[Event])
    assert (event.server_id, event.title, event.body, event.content_state, event.event_id) == (None,) * 5
    assert read(ContentState, STATE).retry_info is None


@pytest.mark.parametrize("kind", ALL)
def test_every_field_has_its_wire_name(kind: type[contract.Message]) -> None:
    assert json.loads(contract.encode(read(kind, ALL[kind]))) == ALL[kind]


@pytest.mark.parametrize("kind", ALL)
def test_every_field_is_covered_here(kind: type[contract.Message]) -> None:
    assert set(kind.__struct_encode_fields__) == set(ALL[kind])


@pytest.mark.parametrize("kind", ALL)
def test_unknown_fields_are_ignored(kind: type[contract.Message]) -> None:
    extra = {"later": {"deep": [1, None]}, "secret_hash": "x", "device_token": "zz"}
    assert read(kind, ALL[kind] | extra) == read(kind, ALL[kind])


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_missing_field_is_refused_and_named(kind: type[contract.Message], name: str) -> None:
    fields = {key: value for key, value in LEAST[kind].items() if key != name}
    with pytest.raises(ContractError, match=name):
        read(kind, fields)


@pytest.mark.parametrize(("kind", "name", "value"), BAD_CASES)
def test_a_wrong_value_is_refused_and_its_field_named(
    kind: type[contract.Message], name: str, value: object
) -> None:
    with pytest.raises(ContractError, match=rf"\$\.{name}\b|{name}|lastMessage"):
        read(kind, ALL[kind] | {name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("secret", "x" * 16),
        ("secret", "x" * 512),
        ("secret", "pässwörter-mit-😀"),
        ("deviceToken", "aB" * 80),
        ("deviceToken", "ab" * 256),
        ("bundleId", "A-b.9" * 31),
        ("bundleId", None),
        ("bundleId", "com.voip.app"),
        ("bundleId", "com.example.push-type"),
        ("pushToStartToken", None),
    ],
)
def test_the_bounds_themselves_are_accepted(name: str, value: object) -> None:
    assert read(DeviceRegister, ALL[DeviceRegister] | {name: value})


@pytest.mark.parametrize("event_type", ["complete", "permission", "error", "progress", "start"])
def test_every_event_type(event_type: str) -> None:
    assert read(Event, LEAST[Event] | {"eventType": event_type}).event_type == event_type


@pytest.mark.parametrize("status", ["working", "retry", "permission", "complete", "error"])
def test_every_status(status: str) -> None:
    assert read(ContentState, STATE | {"status": status}).status == status


@pytest.mark.parametrize("name", STATE)
def test_content_state_needs_its_fields(name: str) -> None:
    with pytest.raises(ContractError, match=name):
        read(ContentState, {key: value for key, value in STATE.items() if key != name})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"1",
        b'"text"',
        b"NaN",
        b"\xff\xfe",
        b"{}",
        b'{"secret": "\xff' + b"x" * 20 + b'"}',
        b'{"secret": "' + b"\\ud800" * 16 + b'"}',
        b'{"secret": NaN}',
        b'{"a": ' + b"[" * 60_000 + b"]" * 60_000 + b"}",
        b'{"secret": "0123456789abcdef"} {}',
    ],
)
@pytest.mark.parametrize("kind", LEAST)
def test_what_is_no_json_object_is_refused(kind: type[contract.Message], body: bytes) -> None:
    with pytest.raises(ContractError):
        contract.decode(body, kind)


@pytest.mark.parametrize("value", ["hunter2", "hunter2' - at", "hunter2\n", 'ü"hunter2\\', ["hunter2"]])
@pytest.mark.parametrize("name", ["eventType", "secret", "contentState"])
def test_a_refusal_never_repeats_the_value(name: str, value: object) -> None:
    with pytest.raises(ContractError) as caught:
        read(Event, LEAST[Event] | {name: value})
    assert "hunter2" not in str(caught.value)
    assert name in str(caught.value)


REFUSALS: list[tuple[Any, str]] = [
    ({"deviceToken": "abc"}, "deviceToken must be hexadecimal, two digits a byte, 1 to 256 bytes"),
    ({"deviceToken": 7}, "deviceToken must be hexadecimal, two digits a byte, 1 to 256 bytes"),
    ({"pushToStartToken": "x"}, "pushToStartToken must be hexadecimal, two digits a byte, 1 to 256 bytes"),
    ({"secret": "x"}, "secret must be text of 16 to 512 characters"),
    ({"apnsEnv": "dev"}, "apnsEnv must be one of production, sandbox"),
    ({"sessionID": "a b"}, "sessionID must be 1 to 128 printable ASCII characters without spaces"),
    ({"eventType": "done"}, "eventType must be one of complete, error, permission, progress, start"),
    ({"title": ""}, "title must be text that is not empty"),
    ({"contentState": 7}, "contentState must be an object"),
    ({"contentState": {"status": "working"}}, "contentState.sessionTitle is missing: it must be text"),
    ({"contentState": STATE | {"lastMessage": 7}}, "contentState.lastMessage must be text"),
    ({"contentState": STATE | {"retryInfo": 7}}, "contentState.retryInfo must be text"),
    ([], "the body must be a JSON object"),
    (b" ", "the body is empty"),
    (b'{"secret": "x', "the body is not JSON: it ends too early"),
    (b'{"secret": NaN}', "the body is not JSON: it breaks at byte 11"),
    (b'{"a":' * 100_000, "the body is nested too deeply"),
]


@pytest.mark.parametrize(("fields", "sentence"), REFUSALS, ids=[sentence for _, sentence in REFUSALS])
def test_a_refusal_says_in_words_what_is_expected(fields: Any, sentence: str) -> None:
    kind = DeviceRegister if {"deviceToken", "pushToStartToken", "apnsEnv"} & set(fields) else Event
    body = (
        fields
        if isinstance(fields, bytes)
        else json.dumps(LEAST[kind] | fields if fields else fields).encode()
    )
    with pytest.raises(ContractError) as caught:
        contract.decode(body, kind)
    assert str(caught.value) == sentence


def test_a_missing_field_is_called_missing() -> None:
    with pytest.raises(ContractError, match=r"^deviceToken is missing: it must be hexadecimal"):
        read(DeviceRegister, {"secret": SECRET})


def test_every_field_of_every_request_has_words_and_no_pattern() -> None:
    for kind, fields in ALL.items():
        for name in fields:
            with pytest.raises(ContractError) as caught:
                read(kind, fields | {name: 7.5})
            assert not set("`[]{}^\\") & set(str(caught.value)), str(caught.value)


@pytest.mark.parametrize("name", ["title", "body"])
@pytest.mark.parametrize(
    ("given", "read_as"), [("a\ud83d", "a\ufffd"), ("\ude00 b", "\ufffd b"), ("😀", "😀")]
)
def test_half_a_character_of_a_text_becomes_a_replacement_character(
    name: str, given: str, read_as: str
) -> None:
    """As JavaScript shortens a text: garrytan/gstack#1440, shakacode/react_on_rails#4726."""
    event = read(Event, LEAST[Event] | {name: given})
    assert getattr(event, name) == read_as
    state = STATE | {"sessionTitle": given, "lastMessage": given, "retryInfo": given}
    read_state = read(Event, LEAST[Event] | {"contentState": state, "unknown": [given]}).content_state
    assert (read_state.session_title, read_state.last_message, read_state.retry_info) == (read_as,) * 3


@pytest.mark.parametrize("raw", [b"\xed\xa0\xbd", b"\xff", b"\xf0\x9f\x98"])
def test_bytes_that_are_no_character_become_one_that_says_so(raw: bytes) -> None:
    body = json.dumps(LEAST[Event] | {"title": "cut here"}).encode().replace(b" here", raw)
    assert contract.decode(body, Event).title == "cut\ufffd"


@pytest.mark.parametrize("broken", [b"\\ud800" * 16, b"\xff" * 16])
def test_a_secret_with_broken_characters_is_refused(broken: bytes) -> None:
    """Repaired, two secrets could become the same."""
    body = json.dumps(LEAST[Event] | {"secret": "@"}).encode().replace(b"@", broken)
    with pytest.raises(ContractError, match="secret must be text without broken characters"):
        contract.decode(body, Event)


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    for kind in LEAST:
        with pytest.raises(ContractError):
            contract.decode(body, kind)


def test_the_kinds_of_events() -> None:
    """The plan's table: what alerts, how loud, and what the Live Activity shows if the event does not say."""
    kinds = contract.EVENT_KINDS
    assert {name: (kind.status, kind.message) for name, kind in kinds.items()} == {
        "start": ("working", "Starting..."),
        "progress": ("working", "Working..."),
        "permission": ("permission", "Needs your decision"),
        "complete": ("complete", "Done"),
        "error": ("error", "Failed"),
    }
    alerts = {name: kinds[name] for name in contract.ALERT_TYPES}
    assert {name: (kind.title, kind.body, kind.interruption_level) for name, kind in alerts.items()} == {
        "complete": ("Session complete", "OpenCode finished your session.", "active"),
        "permission": ("Action needed", "OpenCode needs your permission decision.", "time-sensitive"),
        "error": ("Session error", "OpenCode reported an error for your session.", "active"),
    }
    assert [kind.title_prefix for kind in kinds.values()] == ["", "", "Action Needed: ", "", "Error: "]
    assert {"complete", "error"} == contract.FINAL_STATUSES


def test_replies() -> None:
    assert json.loads(contract.encode(Ok())) == {"ok": True}
    assert json.loads(contract.encode(EventReply(sent=1, failed=2, queued=3))) == {
        "ok": True, "sent": 1, "failed": 2, "queued": 3,
    }  # fmt: skip
    assert json.loads(contract.encode(Health(devices=1, deliveries=2))) == {
        "ok": True, "devices": 1, "deliveries": 2,
    }  # fmt: skip


def test_a_refusal_always_says_that_it_is_one() -> None:
    assert json.loads(contract.encode(Refusal(error="No", code="no"))) == {
        "ok": False, "error": "No", "code": "no",
    }  # fmt: skip
    assert json.loads(contract.encode(Refusal(error="No", code="no", details="why")))["details"] == "why"


def test_only_a_hash_of_the_secret_is_kept() -> None:
    assert contract.secret_hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
