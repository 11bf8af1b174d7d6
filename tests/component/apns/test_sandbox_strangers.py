"""Push libraries that nobody here wrote, unmodified, find an APNs: nine from PyPI and npm, and h2spec where it is.

Each runs in a process of its own, in which Apple's host names lead to the sandbox. What differs between them is a defect or
a habit of the library, stated in HABITS; what is tested is that the sandbox is right with all of them. One that cannot be
installed (no node, no registry) is skipped with a notice.
"""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any
from xml.etree import ElementTree

import pytest

from waiting import PATIENCE

from .conftest import TOPIC, Bench
from .strangers.packages import STRANGERS, Stranger, output

Json = dict[str, Any]

GONE_SINCE = 1_795_000_000.0
ACTIVITY_TOPIC = f"{TOPIC}.push-type.liveactivity"
ALERT: Json = {"aps": {"alert": {"title": "Build", "body": "Done"}}, "session": "ses_1"}
UPDATE: Json = {
    "aps": {"timestamp": 1_795_226_400, "event": "update", "content-state": {"name": "Run", "props": "{}"}}
}
AT_ONCE = 200


@dataclass(frozen=True)
class Habits:
    """What a library does by itself.

    - `says_when`: it hands on the timestamp of a 410. `signs_anew`: after ExpiredProviderToken it sends once more.
    - `loses_the_batch`: when its connection goes, it fails the whole batch and says of no push what became of it.
    - `finds_it_closed`: what the first push gets after its idle connection was closed; None: it connects anew.
    """

    says_when: bool = True
    signs_anew: bool = False
    loses_the_batch: bool = False
    finds_it_closed: str | None = None

    @staticmethod
    def reason(outcome: Json) -> str | None:
        """Apple's word, which hapns spells with "Error" behind it."""
        reason: str | None = outcome["reason"]
        return (
            reason.removesuffix("Error") if reason and not reason.startswith(("Stream", "Remote")) else reason
        )


HABITS = {
    "here:aioapns": Habits(),
    "pypi:pyapns-client": Habits(signs_anew=True),
    "pypi:apns2": Habits(loses_the_batch=True, finds_it_closed="StreamResetError"),
    "pypi:apns2-up": Habits(loses_the_batch=True, finds_it_closed="StreamResetError"),
    "pypi:mopyapns": Habits(finds_it_closed="RemoteProtocolError"),
    "pypi:kalyke-apns": Habits(says_when=False),
    "npm:apns2": Habits(),
    "npm:@parse/node-apn": Habits(signs_anew=True),
    "npm:hapns": Habits(says_when=False),
}
"""Observed with the versions in `packages.py`, 2026-11-30."""


class Play:
    """A stranger at work, and the sandbox before it at the machine's time, for clients sign with that."""

    def __init__(self, bench: Bench, process: asyncio.subprocess.Process) -> None:
        bench.clock._now = time()
        bench.sandbox.profile.device_rate = None
        self.bench, self._process = bench, process
        registry = bench.sandbox.registry
        self.activity = registry.mint_token(TOPIC, "sandbox", "activity")
        registry.attach(self.activity, bench.delivered.append)
        self.gone = registry.mint_token(TOPIC, "sandbox")
        registry.unregister(self.gone, GONE_SINCE)

    async def send(self, *pushes: Json, at_once: bool = False) -> list[Json]:
        """Their outcomes, as the library reports them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps({"pushes": pushes, "at_once": at_once}) + "\n"
        self._process.stdin.write(line.encode())
        answer = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE)
        assert answer, await output(self._process)
        outcomes: list[Json] = json.loads(answer)
        return outcomes

    def alert(self, token: str | None = None, **more: Any) -> Json:
        return {"token": token or self.bench.token, "topic": TOPIC, "type": "alert", "payload": ALERT | more}

    def phones(self, count: int) -> list[str]:
        """Tokens of so many phones, each of which counts what it gets."""
        tokens = [self.bench.sandbox.registry.mint_token(TOPIC, "sandbox") for _ in range(count)]
        for token in tokens:
            self.bench.sandbox.registry.attach(token, self.bench.delivered.append)
        return tokens

    @property
    def shown(self) -> list[str]:
        """The tokens of the phones that got something, in order."""
        return [delivery.device_token for delivery in self.bench.delivered]

    def assert_clean(self) -> None:
        """The sandbox found nothing wrong with the protocol, and nothing of it broke."""
        wrong = ("protocol_error", "connection_crashed")
        assert [entry for kind in wrong for entry in self.bench.journal.entries("apns", kind)] == []


@pytest.fixture(params=STRANGERS, ids=lambda one: f"{one.registry}:{one.name}", scope="module")
def stranger(request: pytest.FixtureRequest) -> Stranger:
    one: Stranger = request.param
    try:
        one.command()
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"{one.name} {one.version} cannot be had from {one.registry}: {error}")
    if one.registry == "npm" and not shutil.which("node"):
        pytest.skip(f"{one.name}: node is not on PATH")
    return one


@pytest.fixture
def habits(stranger: Stranger) -> Habits:
    return HABITS[f"{stranger.registry}:{stranger.name}"]


@pytest.fixture
async def play(bench: Bench, stranger: Stranger) -> AsyncIterator[Play]:
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*stranger.command(), stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdin is not None
    settings = {
        "packages": str(stranger.folder),
        "port": bench.sandbox.ports["sandbox"],
        "ca": bench.sandbox.ca_pem,
        "key": bench.key.private_key,
        "keyId": bench.key.key_id,
        "teamId": bench.key.team_id,
    }
    process.stdin.write((json.dumps(settings) + "\n").encode())
    try:
        yield Play(bench, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_what_apns_says_is_what_the_library_says(play: Play, habits: Habits) -> None:
    large = play.alert(text="x" * 4096)  # Apple: 4 KB for all but VoIP (documented)
    update = {"token": play.activity, "topic": ACTIVITY_TOPIC, "type": "liveactivity", "payload": UPDATE}
    outcomes = await play.send(play.alert(), update, play.alert("ab" * 32), play.alert(play.gone), large)
    assert [habits.reason(one) for one in outcomes] == [
        None, None, "BadDeviceToken", "Unregistered", "PayloadTooLarge",
    ]  # fmt: skip
    if habits.says_when:
        assert outcomes[3]["timestamp"] == GONE_SINCE * 1000
    alert, changed = play.bench.delivered
    assert (alert.payload, alert.push_type, alert.topic) == (ALERT, "alert", TOPIC)
    assert (changed.payload, changed.push_type, changed.topic) == (UPDATE, "liveactivity", ACTIVITY_TOPIC)
    play.assert_clean()


async def test_an_expired_provider_token_costs_one_push_at_most(play: Play, habits: Habits) -> None:
    play.bench.sandbox.faults.load([{"do": {"answer": {"reason": "ExpiredProviderToken"}}, "times": 1}])
    first, second = await play.send(play.alert(), play.alert())
    assert habits.reason(first) == (None if habits.signs_anew else "ExpiredProviderToken")
    assert habits.reason(second) is None
    assert len(play.bench.delivered) == (2 if habits.signs_anew else 1)
    play.assert_clean()


async def test_many_at_once_arrive_once_each(play: Play, habits: Habits) -> None:
    phones = play.phones(AT_ONCE)
    await play.send(
        play.alert(phones.pop())
    )  # a cold connection may have one stream only, which node-apn does not obey
    outcomes = await play.send(*map(play.alert, phones), at_once=True)
    assert {habits.reason(one) for one in outcomes} == {None}
    assert sorted(play.shown[1:]) == sorted(phones)
    play.assert_clean()


async def test_a_goaway_in_the_middle_loses_what_it_says_and_no_more(play: Play, habits: Habits) -> None:
    """RFC 9113 section 6.8: streams above the last one were not processed, so nothing of them may be shown."""
    phones = play.phones(20)
    play.bench.sandbox.faults.load([{"do": {"goaway": "Shutdown"}, "match": {"nth": 5}, "times": 1}])
    outcomes = await play.send(*map(play.alert, phones), at_once=True)
    sent = [phone for phone, one in zip(phones, outcomes, strict=True) if habits.reason(one) is None]
    assert len(set(play.shown)) == len(play.shown), "shown twice"
    assert set(sent) <= set(play.shown)
    if not habits.loses_the_batch:
        assert sorted(sent) == sorted(play.shown)
    (after,) = await play.send(play.alert())
    assert habits.reason(after) is None
    play.assert_clean()


async def test_after_an_idle_connection_was_closed_pushes_arrive_again(play: Play, habits: Habits) -> None:
    await play.send(play.alert())
    play.bench.sandbox.idle_timeout()
    for _ in range(3):
        await play.send()  # a library with an event loop reads that its connection is gone
    outcomes = await play.send(play.alert(), play.alert())
    assert [habits.reason(one) for one in outcomes] == [habits.finds_it_closed, None]
    assert len(play.bench.delivered) == (3 if habits.finds_it_closed is None else 2)
    play.assert_clean()


DEPRECATED = {"http2/5.3.1"}
"""RFC 7540 forbade a stream to depend on itself; RFC 9113 section 5.3 dropped that with all of the priority scheme."""


def failures(report: bytes) -> dict[str, str]:
    """The cases of a JUnit report of h2spec that failed or broke: section -> what was tried."""
    cases = ElementTree.fromstring(report).iter("testcase")
    return {
        case.get("package", "?"): case.get("classname", "?")
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    }


def test_a_report_of_h2spec_is_read() -> None:
    report = b"""<testsuites><testsuite name="x" package="http2/6.3">
        <testcase package="http2/6.3" classname="fine" time="0.1"/>
        <testcase package="http2/5.3.1" classname="depends on itself"><failure>e</failure></testcase>
        <testcase package="hpack/2.3" classname="broken"><error>e</error></testcase>
        <testcase package="hpack/4" classname="left out"><skipped/></testcase></testsuite></testsuites>"""
    assert failures(report) == {"http2/5.3.1": "depends on itself", "hpack/2.3": "broken"}


@pytest.mark.skipif(not shutil.which("h2spec"), reason="h2spec is not on PATH")
async def test_h2spec(bench: Bench, tmp_path: Path) -> None:
    """Requests of h2spec are no pushes, so they are answered 4xx; what is tested is the protocol."""
    report = tmp_path / "h2spec.xml"
    bench.sandbox.profile.set({"errors_before_close": None, "first_stream_limit": 100})
    port = str(bench.sandbox.ports["sandbox"])
    h2spec = await asyncio.create_subprocess_exec(
        "h2spec",
        "-t",
        "-k",
        "-h",
        "127.0.0.1",
        "-p",
        port,
        "-o",
        "2",
        "-j",
        str(report),
        stdout=subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(h2spec.communicate(), 300)
    assert set(failures(report.read_bytes())) <= DEPRECATED, out.decode()[-4000:]
