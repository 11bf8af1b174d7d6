"""The policy of APNs over real TLS and HTTP/2: certificates, idleness, draining, errors, limits, held responses; and faults on the wire."""

import asyncio
import ssl

import pytest
import trustme
from h2.settings import SettingCodes

from simulator.apns.authentication import ProviderCertificate
from simulator.apns.certificates import issue_client_certificate
from simulator.apns.faults import CloseConnection, Delay, Fault, GoAway, Reset
from waiting import eventually

from .conftest import TOPIC, Provider, within

MAX_STREAMS = int(SettingCodes.MAX_CONCURRENT_STREAMS)
REFUSED, INTERNAL = 7, 2


async def closed(provider: Provider) -> bytes | None:
    """Wait until the server has closed; the debug data of its GOAWAY."""
    await within(provider.lost)
    return provider.goaway.additional_data if provider.goaway else None


def because(reason: str) -> bytes:
    return b'{"reason":"%b"}' % reason.encode()


# --- client certificates ------------------------------------------------------------------------------------------


async def with_certificate(bench, host: str = "sandbox", *, bundle_id: str = TOPIC, **options) -> Provider:
    tls = bench.tls("h2")
    bench.sandbox.issue_certificate(bundle_id, **options).configure_cert(tls)
    _, provider = await asyncio.get_running_loop().create_connection(
        Provider, "127.0.0.1", bench.sandbox.ports[host], ssl=tls
    )
    bench._stack.callback(provider.close)
    await within(provider.greeted.wait())
    return provider


async def test_a_certificate_of_the_other_environment_ends_the_connection(bench) -> None:
    provider = await with_certificate(bench, "production", realm="sandbox")
    assert await closed(provider) == because("BadCertificateEnvironment")
    assert provider.goaway.last_stream_id == 0
    assert provider.goaway.error_code == 0


async def test_a_certificate_of_a_stranger_is_refused(bench) -> None:
    tls = bench.tls("h2")
    issue_client_certificate(trustme.CA(), ProviderCertificate(TOPIC)).configure_cert(tls)
    try:
        _, provider = await asyncio.get_running_loop().create_connection(
            Provider, "127.0.0.1", bench.sandbox.ports["sandbox"], ssl=tls
        )
        await within(provider.lost)  # TLS 1.3: the client learns of it only when it reads
        assert not provider.greeted.is_set()
    except (ssl.SSLError, ConnectionError):
        pass
    assert bench.journal.entries("apns", "connection_opened") == []


# --- idleness -----------------------------------------------------------------------------------------------------


async def test_an_idle_connection_gets_a_warning_and_then_the_end(bench) -> None:
    bench.sandbox.profile.set({"idle_after_s": 600, "goaway_grace_s": 2})
    provider = await bench.connect()
    await bench.clock.advance(599)
    assert (await bench.ask(provider)).status == 200
    await bench.clock.advance(599)
    assert provider.goaway is None
    await bench.clock.advance(1)
    await eventually(lambda: provider.goaway)
    assert provider.goaway.last_stream_id == 2**31 - 1
    await bench.clock.advance(2)
    assert await closed(provider) == because("IdleTimeout")


async def test_the_request_that_crosses_the_warning_is_answered(bench) -> None:
    provider = await bench.connect()
    bench.sandbox.idle_timeout()
    bench.sandbox.idle_timeout()
    await eventually(lambda: provider.goaway)
    answer = await bench.ask(provider)
    assert (answer.status, answer.reason) == (400, "IdleTimeout")
    assert await closed(provider) == because("IdleTimeout")
    assert bench.delivered == []
    assert bench.pushes()[-1]["reason"] == "IdleTimeout"


async def test_a_connection_with_answers_due_is_not_idle(bench) -> None:
    bench.sandbox.profile.set({"idle_after_s": 60})
    bench.sandbox.faults.load([{"do": {"delay_s": 200}}])
    provider = await bench.connect()
    answer = bench.push(provider)
    await asyncio.sleep(0.05)
    await bench.clock.advance(199)
    assert provider.goaway is None
    await bench.clock.advance(1)
    assert (await within(answer.done)).status == 200


async def test_silent_death(bench) -> None:
    bench.sandbox.profile.set({"idle_after_s": 60, "idle": "silent"})
    provider = await bench.connect()
    assert (await bench.ask(provider)).status == 200
    await bench.clock.advance(60)
    [entry] = bench.journal.entries("apns", "connection_idle")
    assert entry.detail == {"manner": "silent"}
    answer = bench.push(provider)
    provider.h2.ping(b"12345678")
    provider.flush()
    await asyncio.sleep(0.05)
    assert not answer.done.done()
    assert not provider.pong.is_set()
    assert not provider.lost.done()
    assert len(bench.delivered) == 1
    second = await bench.connect()  # a new connection is a live one
    assert (await bench.ask(second)).status == 200
    await bench.sandbox.close()
    await within(provider.lost)


async def test_a_dead_connection_sends_nothing_that_is_still_due(bench) -> None:
    bench.sandbox.profile.set({"idle": "silent"})
    bench.sandbox.hold()
    provider = await bench.connect()
    answer = bench.push(provider)
    await eventually(lambda: bench.delivered)
    bench.sandbox.idle_timeout()
    assert bench.sandbox.release() == 1
    await asyncio.sleep(0.05)
    assert not answer.done.done()
    assert len(provider.settings) == 1


async def test_idleness_may_be_forbidden_while_it_is_watched(bench) -> None:
    bench.sandbox.profile.set({"idle_after_s": 60})
    provider = await bench.connect()
    bench.sandbox.profile.set({"idle_after_s": None})
    await bench.clock.advance(100_000)
    assert (await bench.ask(provider)).status == 200
    assert provider.goaway is None


# --- draining and keys --------------------------------------------------------------------------------------------


async def test_a_revoked_key_ends_its_connections_and_no_other(bench) -> None:
    other = bench.sandbox.issue_key()
    mine, theirs, fresh = await bench.connect(), await bench.connect(), await bench.connect()
    await bench.ask(mine)
    await bench.ask(theirs, authorization=f"bearer {bench.sign(other)}")
    bench.sandbox.revoke_key(bench.key.key_id)
    await within(mine.lost)
    answer = await bench.ask(fresh)
    assert (answer.status, answer.reason) == (403, "InvalidProviderToken")
    assert (await bench.ask(theirs, authorization=f"bearer {bench.sign(other)}")).status == 200
    with pytest.raises(KeyError):
        bench.sandbox.revoke_key("NOSUCHKEY0")


# --- errors -------------------------------------------------------------------------------------------------------


async def test_errors_slow_down(bench) -> None:
    bench.sandbox.profile.set({"error_delay_s": 10, "error_delay_limit_s": 15})
    provider = await bench.connect()
    assert (await bench.ask(provider, apns_topic=None)).status == 400
    answer = bench.push(provider)
    await asyncio.sleep(0.05)
    await bench.clock.advance(9)
    assert not answer.done.done()
    await bench.clock.advance(1)
    assert (await within(answer.done)).status == 200
    assert (await bench.ask(provider)).status == 200


# --- stream limit and held responses ---


async def test_a_lowered_limit_refuses_and_comes_back(bench) -> None:
    provider = await bench.connect()
    await bench.ask(provider)
    bench.sandbox.lower_stream_limit(1)
    await eventually(lambda: len(provider.settings) == 3)
    assert provider.settings[2] == {MAX_STREAMS: 1}
    assert (await bench.ask(provider, apns_topic=None)).status == 400
    assert len(provider.settings) == 3
    bench.sandbox.hold()
    provider.forget_the_limit()
    held, refused = bench.push(provider), bench.push(provider)
    assert (await within(refused.done)).reset == REFUSED
    assert bench.sandbox.release() == 1
    assert (await within(held.done)).status == 200
    assert provider.settings[3] == {MAX_STREAMS: 1000}


async def test_releasing_what_nobody_waits_for_any_more(bench) -> None:
    bench.sandbox.hold()
    provider = await bench.connect()
    bench.push(provider)
    await eventually(lambda: bench.delivered)
    provider.close()
    await eventually(lambda: not bench.sandbox._listeners["sandbox"].port.connections)
    assert bench.sandbox.release() == 1


# --- faults from JSON ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "content_type", "is_json"),
    [
        ("split_body", "application/json", True),
        ("malformed_body", "application/json", False),
        ("html_body", "text/html", False),
    ],
)
@pytest.mark.parametrize("staged", [True, False])
async def test_misshapen_bodies(bench, form: str, content_type: str, is_json: bool, staged: bool) -> None:
    answer = {"answer": {"reason": "BadTopic"}} if staged else {}
    bench.sandbox.faults.load([{"do": {**answer, form: True}, "times": 1}])
    provider = await bench.connect()
    found = await bench.ask(provider, apns_topic="not a topic!")
    assert found.status == 400
    assert found.headers["content-type"] == content_type
    assert (found.body == b'{"reason":"BadTopic"}') is is_json
    assert (await bench.ask(provider)).status == 200


@pytest.mark.parametrize(("offset", "last"), [(0, 3), (-1, 1), (1, 5), (-9, 0)])
async def test_goaway_may_name_a_wrong_last_stream(bench, offset: int, last: int) -> None:
    provider = await bench.connect()
    await bench.ask(provider)
    bench.sandbox.faults.load(
        [{"do": {"goaway": "Shutdown", "last_stream_offset": offset}, "accepts_first": True}]
    )
    bench.push(provider)
    await within(provider.lost)
    assert provider.goaway.last_stream_id == last
    assert len(bench.delivered) == 2


@pytest.mark.parametrize(("accepts_first", "delivered"), [(False, 0), (True, 1)])
async def test_a_reset(bench, accepts_first: bool, delivered: int) -> None:
    bench.sandbox.faults.add(Fault(Reset(), times=1, accepts_first=accepts_first))
    provider = await bench.connect()
    assert (await bench.ask(provider)).reset == INTERNAL
    assert len(bench.delivered) == delivered
    assert (await bench.ask(provider)).status == 200


async def test_a_goaway_before_the_push_is_processed_excludes_it(bench) -> None:
    provider = await bench.connect()
    await bench.ask(provider)
    bench.sandbox.faults.add(Fault(GoAway("Shutdown")))
    answer = bench.push(provider)
    await within(provider.lost)
    assert not answer.done.done()
    assert provider.goaway.last_stream_id == 1
    assert len(bench.delivered) == 1


async def test_a_connection_is_cut(bench) -> None:
    bench.sandbox.faults.add(Fault(CloseConnection()))
    provider = await bench.connect()
    answer = bench.push(provider)
    await within(provider.lost)
    assert provider.goaway is None
    assert not answer.done.done()


async def test_a_delayed_answer_for_a_connection_that_is_gone_is_dropped(bench) -> None:
    bench.sandbox.faults.add(Fault(Delay(5)))
    provider = await bench.connect()
    bench.push(provider)
    await eventually(lambda: bench.pushes())
    provider.close()
    await eventually(lambda: bench.journal.entries("apns", "connection_closed"))
    await bench.clock.advance(10)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("apns delay")]


async def test_a_stream_limit_as_a_fault(bench) -> None:
    bench.sandbox.faults.load([{"do": {"stream_limit": 2}, "times": 1}])
    provider = await bench.connect()
    assert (await bench.ask(provider)).status == 200
    assert [each.get(MAX_STREAMS) for each in provider.settings] == [1, 2]
    assert (await bench.ask(provider)).status == 200
    assert provider.settings[-1] == {MAX_STREAMS: 1000}
