"""The server id and the pairing link, as the app reads them."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import contract
from relay.contract import ContractError

SECRET = "0123456789abcdef"


def test_server_id_is_that_of_the_first_implementation() -> None:
    # printf 'https://relay.example|0123456789abcdef' | sha256sum
    assert contract.server_id("https://relay.example", SECRET) == "80e435bba6dc1aa1"


@pytest.mark.parametrize(
    "url", ["https://relay.example/", " https://relay.example// ", "https://relay.example"]
)
def test_server_id_does_not_depend_on_a_trailing_slash(url: str) -> None:
    assert contract.server_id(url, SECRET) == contract.server_id("https://relay.example", SECRET)


def test_the_pairing_link_as_the_app_reads_it() -> None:
    pair = contract.pairing("https://relay.example/", SECRET, ["http://192.168.1.2:4096"])
    link = contract.pairing_link(pair)
    fields = (
        f'{{"v":1,"serverID":"{pair.server_id}","relayURL":"https://relay.example","relaySecret":"{SECRET}",'
        f'"hosts":["http://192.168.1.2:4096"]}}'
    )
    assert link == f"mobilevoice:///?pair={quote(fields, safe=':,/')}"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(url=TEXT, secret=TEXT, hosts=st.lists(TEXT, max_size=4))
def test_the_pairing_link_round_trips(url: str, secret: str, hosts: list[str]) -> None:
    pair = contract.pairing(url, secret, hosts)
    link = contract.pairing_link(pair)
    assert link.isascii()
    assert contract.parse_pairing_link(link) == pair


def test_a_link_with_two_slashes_is_read_too() -> None:
    pair = contract.pairing("https://relay.example", SECRET, [])
    assert contract.parse_pairing_link(contract.pairing_link(pair).replace(":///", "://")) == pair


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"hosts": [7]}, "hosts must be a list of text"),
        ({"hosts": "x"}, "hosts must be a list of text"),
        ({"v": "1"}, "v must be a whole number"),
        ({"relayURL": None}, "relayURL must be text"),
    ],
)
def test_what_is_wrong_in_a_pairing_link_is_said_in_words(fields: dict[str, Any], sentence: str) -> None:
    good = {"v": 1, "serverID": "x", "relayURL": "x", "relaySecret": "x", "hosts": []}
    with pytest.raises(ContractError, match=f"^{sentence}$"):
        contract.parse_pairing_link(f"mobilevoice:///?pair={quote(json.dumps(good | fields))}")


@pytest.mark.parametrize(
    "link",
    [
        "",
        "https://relay.example/?pair=%7B%7D",
        "mobilevoice:///",
        "mobilevoice:///?pear=%7B%7D",
        "mobilevoice:///?pair=",
        "mobilevoice:///?pair=x",
        "mobilevoice:///?pair=%7B%7D",
        "mobilevoice:///?pair=%FF%FE",
        "mobilevoice:///?pair=\ud800",
        "mobilevoice:///?pair=%7B%22v%22%3A1%7D",
    ],
)
def test_what_is_no_pairing_link_is_refused(link: str) -> None:
    with pytest.raises(ContractError):
        contract.parse_pairing_link(link)
