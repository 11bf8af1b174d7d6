"""What a provider sees on the wire, and what the journal keeps of it; over TLS and HTTP/2, with an independent client."""

import base64
import json

import pytest

from simulator.apns.faults import AnswerWith, Fault
from simulator.apns.reasons import REASONS

from .conftest import TOPIC


async def test_every_reason_goes_out_with_its_status(bench) -> None:
    for reason in REASONS:
        bench.sandbox.faults.add(Fault(AnswerWith(reason), times=1))
        answer = await bench.ask(await bench.connect())
        assert (answer.status, answer.reason) == (REASONS[reason].status, reason)
        assert answer.headers["content-type"] == "application/json"


async def test_the_journal_has_what_happened_and_no_secret(bench) -> None:
    provider = await bench.connect()
    jwt = bench.sign()
    answer = await bench.ask(
        provider, authorization=f"bearer {jwt}", apns_priority="5", apns_collapse_id="same"
    )
    await bench.ask(provider, apns_topic=None)
    await bench.ask(provider, path="/3/device/abcdef12")
    good, bad, short = bench.pushes()
    assert good == {
        "realm": "sandbox", "apns_id": answer.headers["apns-id"],
        "apns_unique_id": answer.headers["apns-unique-id"], "token": bench.token[-8:], "topic": TOPIC,
        "push_type": "alert", "priority": "5", "collapse_id": "same", "status": 200, "reason": None, "fault": None,
    }  # fmt: skip
    assert (bad["status"], bad["reason"]) == (400, "MissingTopic")
    assert short["token"] == ""
    everything = repr(bench.journal.entries())
    assert bench.token not in everything
    assert jwt not in everything
    assert bench.journal.entries("apns", "connection_opened")


# A provider's mistake: the answer, and the words for it in the journal.
MISTAKES = {
    "none": (lambda _: None, "MissingProviderToken", "no authorization header"),
    "scheme": (lambda _: "Basic dXNlcjpwYXNz", "MissingProviderToken", "is not the word bearer and a provider token"),
    "malformed": (lambda _: "bearer not-a-token", "InvalidProviderToken", "no JWT"),
    "kid": (lambda b: with_kid(b, "ZZZZZZZZZZ"), "InvalidProviderToken", "unknown kid: 'ZZZZZZZZZZ'"),
    "signature": (
        lambda b: f"bearer {b.sign(b.key._replace(private_key=b.sandbox.issue_key().private_key))}",
        "InvalidProviderToken",
        "the signature does not verify",
    ),
    "iss": (lambda b: f"bearer {b.sign(iss='OTHERTEAM0')}", "InvalidProviderToken", "iss is not the key's team"),
    "iat": (lambda b: f"bearer {b.sign(iat='soon')}", "InvalidProviderToken", "iat is not a number"),
    "iat ahead": (
        lambda b: f"bearer {b.sign(iat=int(b.clock.now()) + 7200)}",
        "InvalidProviderToken",
        "7200 s ahead",
    ),
    "iat old": (
        lambda b: f"bearer {b.sign(iat=int(b.clock.now()) - 7200)}",
        "ExpiredProviderToken",
        "the provider token is 7200 s old",
    ),
}  # fmt: skip


def with_kid(bench, kid: str) -> str:
    _, claims, signature = bench.sign().split(".")
    header = base64.urlsafe_b64encode(json.dumps({"alg": "ES256", "kid": kid}).encode()).rstrip(b"=").decode()
    return f"bearer {header}.{claims}.{signature}"


@pytest.mark.parametrize("name", MISTAKES)
async def test_the_journal_says_why_a_provider_was_refused_and_the_answer_does_not(bench, name: str) -> None:
    make, reason, words = MISTAKES[name]
    authorization = make(bench)
    answer = await bench.ask(await bench.connect(), authorization=authorization)
    assert json.loads(answer.body) == {"reason": reason}
    [push] = bench.pushes()
    assert push["reason"] == reason
    assert words in push["why"]
    assert authorization is None or authorization[7:] not in repr(bench.journal.entries())


async def test_a_malformed_request_is_reset_and_the_journal_says_why(bench) -> None:
    """RFC 9113 sections 8.1.1 and 8.2.1: PROTOCOL_ERROR for its stream; the connection lives on."""
    provider = await bench.connect()
    provider.h2.config.validate_outbound_headers = provider.h2.config.normalize_outbound_headers = False
    provider.forget_the_limit()
    answer = await bench.ask(provider, authorization=f"bearer {bench.sign()}\n")
    assert (answer.reset, answer.headers) == (1, {})
    [entry] = bench.journal.entries("apns", "stream_reset")
    assert entry.detail == {"code": 1, "why": "field 'authorization' holds NUL, CR or LF"}
    assert (await bench.ask(provider)).status == 200
