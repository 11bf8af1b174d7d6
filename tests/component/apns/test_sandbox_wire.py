"""What a provider sees on the wire, and what the journal keeps of it; over TLS and HTTP/2, with an independent client."""

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
