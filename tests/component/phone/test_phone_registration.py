"""Pairing, registering and unregistering against a relay on a real socket."""

import asyncio

import pytest

from simulator.phone.app.app import BUNDLE_ID
from simulator.phone.app.pairing import PairingError
from simulator.phone.app.relay_client import call
from simulator.phone.phone import Phone
from waiting import PATIENCE

SECRET = "s3cret-s3cret-s3cret-24"
SERVER_ID = "0123456789abcdef"


@pytest.mark.parametrize(("realm", "bundle_id"), [("production", BUNDLE_ID), ("sandbox", "com.example.dev")])
async def test_registering_the_phone_at_the_relay(
    clock, journal, relay, link, realm: str, bundle_id: str
) -> None:
    phone = Phone(clock, journal, lambda: "ab" * 32, realm=realm, bundle_id=bundle_id)
    phone.app.scan(link)
    (reply,) = await phone.app.register()
    assert (reply.outcome, reply.status, reply.attempts) == ("accepted", 200, 1)
    body = {"secret": SECRET, "deviceToken": "ab" * 32, "bundleId": bundle_id, "apnsEnv": realm}
    assert relay.calls == [("/v1/device/register", body)]


async def test_an_app_that_is_not_paired_registers_nowhere(phone, relay) -> None:
    assert await phone.app.register() == []
    assert relay.calls == []


async def test_a_new_token_is_registered_and_the_old_one_taken_off(phone, relay, link) -> None:
    phone.app.scan(link)
    await phone.app.register()
    old = phone.app.token
    replies = await phone.app.rotate_token()
    assert [reply.outcome for reply in replies] == ["accepted", "accepted"]
    assert phone.app.token != old
    assert [(path.rsplit("/", 1)[1], body["deviceToken"]) for path, body in relay.calls] == [
        ("register", old),
        ("unregister", old),
        ("register", phone.app.token),
    ]


async def test_while_the_relay_is_down_the_app_tries_again(phone, relay, link, ticking, clock) -> None:
    phone.app.scan(link)
    await relay.stop()
    registering = asyncio.create_task(phone.app.register())
    await clock.sleep(10)
    assert not registering.done()
    await relay.start()
    async with asyncio.timeout(PATIENCE):
        (reply,) = await registering
    assert reply.outcome == "accepted"
    assert reply.attempts >= 3
    assert len(relay.calls) == 1


async def test_a_relay_in_trouble_is_asked_again(phone, relay, link, ticking) -> None:
    phone.app.scan(link)
    relay.script = [500, 503, 429]
    (reply,) = await phone.app.register()
    assert (reply.outcome, reply.attempts, len(relay.calls)) == ("accepted", 4, 4)


async def test_a_refusal_is_final(phone, relay, link) -> None:
    phone.app.scan(link)
    relay.script = [400]
    (reply,) = await phone.app.register()
    assert (reply.outcome, reply.status, reply.attempts) == ("refused", 400, 1)
    assert "no" in reply.error


async def test_patience_ends(phone, relay, link, ticking, clock) -> None:
    phone.app.scan(link)
    await relay.stop()
    began = clock.now()
    (reply,) = await phone.app.register(patience=60.0)
    assert (reply.outcome, reply.status) == ("unreachable", 0)
    assert reply.error == "ClientConnectorError"
    assert clock.now() - began < 62
    assert reply.attempts == 6  # after 0, 1, 3, 7, 15 and 31 seconds; the next would be after 61


async def test_a_relay_that_never_answers_is_given_up(relay, clock) -> None:
    relay.delay.clear()
    reply = await call(clock, f"{relay.url}/v1/device/register", {}, patience=0.0, deadline=0.05)
    assert (reply.outcome, reply.status, reply.error) == ("unreachable", 0, "TimeoutError")


async def test_the_journal_holds_all_but_the_secret(phone, relay, link, journal) -> None:
    phone.app.scan(link)
    await phone.app.register()
    await phone.app.rotate_token()
    entries = journal.entries("phone")
    assert [entry.what for entry in entries] == [
        "paired",
        "register",
        "token changed",
        "unregister",
        "register",
    ]
    assert entries[1].detail == {"phone": "Ada's iPhone", "outcome": "accepted", "status": 200, "attempts": 1}
    assert SECRET not in str(entries)


def test_nothing_of_the_app_shows_the_secret(phone, link) -> None:
    phone.app.scan(link)
    assert SECRET not in repr(phone.app.pairings)
    assert SECRET not in repr(phone.app.keychain)
    assert SECRET not in repr(vars(phone.app))


async def test_several_servers(phone, relay, link) -> None:
    """The same server again replaces its secret; the newest servers send no serverID in the link, but one in every push."""
    other, nameless = "fedcba9876543210", link.replace(f'"serverID":"{SERVER_ID}",', "")
    phone.app.scan(nameless)
    assert not phone.app.knows(SERVER_ID)
    for scanned in (link, link.replace(SECRET, "newer"), link.replace(SERVER_ID, other), nameless):
        phone.app.scan(scanned)
    with pytest.raises(PairingError):
        phone.app.scan("https://example.com")
    assert [pairing.server_id for pairing in phone.app.pairings] == [None, SERVER_ID, other]
    assert phone.app.keychain.secret("http://127.0.0.1:4096") == SECRET
    await phone.app.register()
    assert [body["secret"] for _, body in relay.calls] == [SECRET, "newer", SECRET]
    assert phone.app.knows(SERVER_ID)
    assert not phone.app.knows("0000000000000000")
