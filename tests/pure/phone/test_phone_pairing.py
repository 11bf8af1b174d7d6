"""The pairing link, as strictly as the app reads it."""

import json
from urllib.parse import quote

import pytest

from simulator.phone.app.pairing import DEFAULT_RELAY_URL, Pairing, PairingError, parse_link

SECRET = "s3cret-s3cret-s3cret-24"
FULL = {
    "v": 1,
    "serverID": "0123456789abcdef",
    "relayURL": "http://127.0.0.1:8787",
    "relaySecret": SECRET,
    "hosts": ["http://192.168.1.20:4096", "http://100.64.0.7:4096"],
}


def link(data: dict, key: str = "pair", base: str = "mobilevoice:///") -> str:
    return f"{base}?{key}={quote(json.dumps(data), safe='')}"


def without(*keys: str) -> dict:
    return {key: value for key, value in FULL.items() if key not in keys}


EXPECTED = Pairing(
    "http://127.0.0.1:8787",
    ("http://192.168.1.20:4096", "http://100.64.0.7:4096"),
    "0123456789abcdef",
    SECRET,
)


@pytest.mark.parametrize(
    "text",
    [
        link(FULL),
        link(FULL, key="payload"),
        link(FULL, base="mobilevoice://"),
        link(FULL, base="https://example.com/open"),
        json.dumps(FULL),
        f"  {link(FULL)}\n",
        link({**FULL, "unknown": {"a": 1}}),
        link(without("v")),
    ],
)
def test_every_form_of_a_pairing(text: str) -> None:
    assert parse_link(text) == EXPECTED


def test_the_newest_servers_send_only_secret_and_hosts() -> None:
    pairing = parse_link(link(without("v", "serverID", "relayURL")))
    assert (pairing.relay_url, pairing.server_id) == (DEFAULT_RELAY_URL, None)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8787/", " http://127.0.0.1:8787// "])
def test_the_relays_url_has_one_spelling(url: str) -> None:
    assert parse_link(link({**FULL, "relayURL": url})).relay_url == "http://127.0.0.1:8787"


@pytest.mark.parametrize("key", ["relayURL", "serverID"])
@pytest.mark.parametrize("value", ["", None])
def test_an_empty_field_is_a_missing_one(key: str, value) -> None:
    assert parse_link(link({**FULL, key: value})) == parse_link(link(without(key)))


WRONG = [
    ("hello", "neither 'pair' nor 'payload'"),
    ("", "neither 'pair' nor 'payload'"),
    ("mobilevoice:///?other=1", "neither 'pair' nor 'payload'"),
    ("mobilevoice://[broken", "it is no URL"),
    ("mobilevoice:///?pair=%7Bbroken", "not JSON"),
    ("{broken", "not JSON"),
    ("mobilevoice:///?pair=%5B%5D", "not a JSON object"),
    ("mobilevoice:///?pair=7", "not a JSON object"),
    (link({**FULL, "v": 2}), "'v' must be 1"),
    (link({**FULL, "v": "1"}), "'v' must be 1"),
    (link({**FULL, "v": True}), "'v' must be 1"),
    (link({**FULL, "v": None}), "'v' must be 1"),
    (link(without("relaySecret")), "no 'relaySecret'"),
    (link({**FULL, "relaySecret": 5}), "no 'relaySecret'"),
    (link({**FULL, "relaySecret": ""}), "no 'relaySecret'"),
    (link({**FULL, "relayURL": 5}), "'relayURL' of the pairing must be a string"),
    (link({**FULL, "serverID": ["x"]}), "'serverID' of the pairing must be a string"),
    (link(without("hosts")), "'hosts'"),
    (link({**FULL, "hosts": []}), "'hosts'"),
    (link({**FULL, "hosts": "http://a"}), "'hosts'"),
    (link({**FULL, "hosts": ["http://a", 5]}), "'hosts'"),
    (link({**FULL, "hosts": ["nonsense", "http://[broken", "ftp://a", "http://"]}), "holds no URL"),
]


@pytest.mark.parametrize(("text", "reason"), WRONG)
def test_what_is_no_pairing(text: str, reason: str) -> None:
    with pytest.raises(PairingError, match=reason) as error:
        parse_link(text)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("hosts", "usable"),
    [
        (["http://a:1", "http://a:1", "http://b:1"], ("http://a:1", "http://b:1")),
        (["http://127.0.0.1:1", "http://a:1"], ("http://a:1",)),
        (["http://localhost:1", "http://[::1]:1", "https://a"], ("https://a",)),
        (["http://127.0.0.1:1"], ("http://127.0.0.1:1",)),
        (["nonsense", "http://10.0.0.1:1"], ("http://10.0.0.1:1",)),
    ],
)
def test_which_hosts_are_kept(hosts: list[str], usable: tuple[str, ...]) -> None:
    assert parse_link(link({**FULL, "hosts": hosts})).hosts == usable
