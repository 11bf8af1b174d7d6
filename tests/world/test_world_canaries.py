"""Secrets and unmistakable words go in wherever OpenCode 2 takes words from others, and come out nowhere: no push, no log, no file.

Every part is the real one or its fake, bridge and relay are processes, and all that is logged at all is logged.
"""

import json
from base64 import b64encode
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import aiohttp
import pytest

from simulator.opencode.v2.service import Service
from simulator.process import Command
from simulator.replay.world import LINK, WorldOptions
from waiting import PATIENCE, eventually
from world.second_world import PASSWORD, SecondWorld

CANARIES = {
    "what the provider answered": "canary-provider-pL4tYpUs",
    "the body of its answer": "canary-body-wOmBaT",
    "a header of its answer": "canary-header-kOaLa",
    "its key": "sk-ant-api03-Qx7LmZpR2vTnW8sYbK4dHfJ6gC1eN9aUoI3wEtVyBzXqMrPkSlDhFjGc",
    "a diff": "canary-diff-eChIdNa",
    "a file that a tool writes": "canary-written-dInGo",
    "what a tool answered": "canary-output-qUoKkA",
    "how a tool failed": "canary-tool-error-bIlBy",
    "a token in a command": "ghp_a8Kf3Lm2Qw9Xz7Bn5Vc1Rt6Yu4Io0PpAsDf",
    "what a tool of a plugin says of itself": "canary-plugin-gAlAh",
    "a session's metadata": "canary-metadata-eMu",
    "a file in a prompt": "canary-attached-kIwI",
    "a form's default": "canary-default-pOtOrOo",
    "a hidden field": "canary-hidden-qUoLl",
    "what the server tells the model": "canary-synthetic-cAsSoWaRy",
    "the model's thoughts": "canary-thought-lYrEbIrD",
    "an event of a plugin": "canary-rpc-wAlLaBy",
    "a key in what the server says when it has failed": "sk-proj-Zt5Rk8Wq2Lm9Xv4Nb7Hc3Jd6Fg1Ps0Ya-TqEuIo",
    "the password": PASSWORD,
    "the password in an address": quote(PASSWORD),
    "the password in a header": b64encode(f"opencode:{PASSWORD}".encode()).decode(),
}
SEEN = {
    "words that people must read": "eucalyptus",
    "a command": "git push origin harbour",
    "a question": "Which harbour?",
}
"""What has to arrive, so that the search is known to look where words are."""


UNKNOWN_TO_PAIR = (
    "--port=",
    "--permission-delay=",
    "--card-after=",
    "--bundle=",
    "--keep-answered",
    "--print-link",
)
"""Options of `relay bridge` that `relay pair` has not."""


@pytest.fixture
def everything_is_logged(tmp_path: Path) -> Path:
    """A folder on PYTHONPATH that lets a process log all that any of its libraries has to say."""
    (tmp_path / "sitecustomize.py").write_text("import logging\nlogging.INFO = logging.DEBUG\n")
    return tmp_path


class CanaryWorld(SecondWorld):
    """The bridge learns the password as `how` says: from its environment, in OpenCode's address, or from the service's file."""

    def __init__(self, options: WorldOptions, path: Path, how: str) -> None:
        super().__init__(options)
        self._path, self._how = path, how

    @property
    def service_file(self) -> Path | None:
        return self._path / "state" / "opencode" / "service.json" if self._how == "service file" else None

    @property
    def bridge_environment(self) -> dict[str, str]:
        debug = {
            "PYTHONPATH": str(self._path),
            "PYTHONASYNCIODEBUG": "1",
            "XDG_STATE_HOME": str(self._path / "state"),
        }
        return super().bridge_environment | debug if self._how == "environment" else debug

    def _bridge_arguments(self) -> list[str]:
        rest = [one for one in super()._bridge_arguments() if not one.startswith("--opencode-url=")]
        if self._how == "service file":
            return rest
        credentials = f"opencode:{quote(PASSWORD)}@" if self._how == "address" else ""
        return [*rest, f"--opencode-url={self.opencode.url.replace('://', f'://{credentials}')}"]

    @property
    def relay_environment(self) -> dict[str, str]:
        return super().relay_environment | {"PYTHONPATH": str(self._path)}

    async def connect_code(self) -> str:
        """Somebody pairs a device: the code of the link that `relay pair` prints, which lets one device in."""
        arguments = [one for one in self._bridge_arguments() if not one.startswith(UNKNOWN_TO_PAIR)]
        arguments[0] = "pair"
        pair = Command(
            "pair",
            [*arguments, "--connect"],
            self.journal,
            environment=self.bridge_environment,
            folder=self.folder,
        )
        await pair.start()
        try:
            shown = await pair.printed(LINK, PATIENCE)
        finally:
            await pair.stop()
        self.paired = "\n".join(pair.log)
        pairing = json.loads(parse_qs(urlsplit(shown).query)["pair"][0])
        return str(pairing["connect"]).rpartition("/")[2]

    def keep_all_lines(self) -> None:
        for part in (self.bridge, self.relay):
            part.log = deque(part.log)


def mistakes(world: CanaryWorld) -> None:
    """Everything that can go wrong in a turn, with a canary in each place where somebody else's words can be."""
    api, process = world.second.api, world.second.process
    shy = world.create("Feed the koala", metadata={"note": CANARIES["a session's metadata"]})
    message = world.prompt(
        shy,
        {"text": "Feed it", "files": [{"uri": "data:text/plain," + CANARIES["a file in a prompt"]}]},
    )
    own = {"assistantMessageID": message}
    world.say("reasoning.started", shy, **own, ordinal=0)
    world.say("reasoning.ended", shy, **own, ordinal=0, text=CANARIES["the model's thoughts"])
    written = {"path": "leaf.txt", "content": CANARIES["a file that a tool writes"]}
    call = world.tool(shy, message, "write", written)
    files = [{"file": "leaf.txt", "patch": CANARIES["a diff"], "additions": 1, "deletions": 0}]
    asked = {"action": "edit", "resources": ["eucalyptus.txt"], "metadata": {"files": files}, "save": ["*"]}
    _ask(world, shy, call, message, asked)
    world.say("tool.progress", shy, **own, id=call, metadata={"output": CANARIES["what a tool answered"]})
    content = [{"type": "text", "text": CANARIES["what a tool answered"]}]
    world.say("tool.success", shy, **own, id=call, content=content, metadata={"files": files}, executed=True)
    command = f"git push origin harbour --token {CANARIES['a token in a command']}"
    call = world.tool(shy, message, "shell", {"command": command})
    _ask(world, shy, call, message, {"action": "shell", "resources": [command], "save": ["git push *"]})
    error = {"type": "tool.execution", "message": CANARIES["how a tool failed"]}
    world.say("tool.failed", shy, **own, id=call, error=error, executed=True)
    plugin = {
        "action": "tracker_create",
        "resources": ["*"],
        "metadata": {"body": CANARIES["what a tool of a plugin says of itself"]},
    }
    _ask(world, shy, "", message, plugin)
    world.say(
        "synthetic", shy, text=CANARIES["what the server tells the model"], metadata={"notice": "restart"}
    )
    process.publish("rpc.dreamt", {"sessionID": shy, "text": CANARIES["an event of a plugin"]})
    failure = _failure()
    world.say("retry.scheduled", shy, **own, attempt=2, at=process.now_ms() + 4000, error=failure)
    world.say("step.failed", shy, **own, error=failure)
    world.say("execution.failed", shy, error=failure)
    open_one = world.create("Ask about the harbour")
    api.ask_form(open_one, _form())


def _failure() -> dict[str, Any]:
    said = (
        f"Provider request failed with HTTP 401: {CANARIES['what the provider answered']} for {CANARIES['its key']} "
        f"at https://provider.example/v1?key={CANARIES['its key']}; Set-Cookie: {CANARIES['a header of its answer']}"
    )
    return {
        "type": "provider.auth",
        "message": said,
        "status": 401,
        "response": {"body": CANARIES["the body of its answer"]},
    }


def _form() -> dict[str, Any]:
    options = [{"value": "east", "label": "East", "description": "the other one"}]
    fields = [
        {"key": "q0", "type": "string", "title": "Harbour", "description": "Which harbour?", "options": options,
         "default": CANARIES["a form's default"]},
        {"key": "q1", "type": "string", "description": CANARIES["a hidden field"], "hidden": True},
    ]  # fmt: skip
    return {
        "title": "Questions",
        "metadata": {"kind": "question", "note": CANARIES["a form's default"]},
        "fields": fields,
    }


def _ask(world: CanaryWorld, session_id: str, call: str, message: str, body: dict[str, Any]) -> None:
    source = {"source": {"type": "tool", "messageID": message, "id": call}} if call else {}
    world.second.process.publish(
        "permission.asked",
        {"id": world.second.process.ids.new("per"), "sessionID": session_id} | body | source,
    )


def _done(world: CanaryWorld) -> str:
    """A session that works while the stream is cut, and what its transcript says."""
    session_id = world.create("Climb the eucalyptus")
    message = world.prompt(session_id, {"text": "Climb"})
    call = world.tool(
        session_id, message, "edit", {"path": "a.txt", "newString": CANARIES["a file that a tool writes"]}
    )
    content = [{"type": "text", "text": CANARIES["what a tool answered"]}]
    world.say("tool.success", session_id, assistantMessageID=message, id=call, content=content, executed=True)
    world.end(session_id, message, "It sits in the eucalyptus.")
    return session_id


async def _turn_away(world: CanaryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password is another one for a while, and then the server has failed, and says so."""
    password = world.second.access.password
    world.second.access.password = "another"
    await world.second.process.streams.cut(0.2)
    await eventually(lambda: any("401" in one for one in world.bridge.log))
    monkeypatch.setattr(
        Service,
        "unready",
        lambda _: {
            "code": "service_failed",
            "message": f"no route for {CANARIES['a key in what the server says when it has failed']}",
        },
    )
    world.second.access.password = password
    world.second.service.readiness = "failed"
    await eventually(lambda: any("answered 50" in one for one in world.bridge.log))
    world.second.service.readiness = "ready"
    monkeypatch.undo()
    await world.second.process.streams.subscribed(PATIENCE)


async def cursors(world: CanaryWorld) -> list[str]:
    """What the server gives to those who want the next page: a folder, as base64."""
    given = aiohttp.encode_basic_auth("opencode", PASSWORD, "utf-8")
    async with (
        aiohttp.ClientSession(world.second.url, headers={"Authorization": given}) as http,
        http.get("/api/session?limit=1") as response,
    ):
        answer = await response.json()
    return [one for one in answer["cursor"].values() if one]


def traces(world: CanaryWorld) -> Iterator[tuple[str, bytes]]:
    """Everything that bridge, relay, APNs and phone have said or kept."""
    for part in (world.bridge, world.relay):
        yield f"{part.name}'s log", "\n".join(part.log).encode()
        yield f"{part.name}'s output", "\n".join(part.output).encode()
    yield "pair's log", world.paired.encode()
    for path in world.folder.rglob("*"):
        if path.is_file():
            yield path.name, path.read_bytes()
    said = [entry for entry in world.journal.entries() if entry.where != "opencode"]
    yield "the journal", repr(said).encode()
    phone = world.phones[0]
    yield "the phone", repr([one.payload for one in phone.screen.notifications]).encode()
    yield "the phone's alerts", json.dumps(phone.showings, default=str).encode()


@pytest.mark.replay
@pytest.mark.parametrize("how", ["environment", "address", "service file"])
async def test_what_is_nobody_elses_business_reaches_no_push_no_log_and_no_file(
    everything_is_logged: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    options = WorldOptions(live_activities=True, phone_profile="lenient")
    async with CanaryWorld(options, everything_is_logged, how) as world:
        world.keep_all_lines()
        mistakes(world)
        phone = world.phones[0]
        await eventually(lambda: len(phone.showings) >= 5)
        await _turn_away(world, monkeypatch)
        world.second.process.streams.deafen()
        _done(world)
        await eventually(lambda: any(one["eventType"] == "complete" for one in phone.showings))
        code = await world.connect_code()
        secrets = {"a connect code": code} | {
            **CANARIES,
            **{f"cursor {number}": one for number, one in enumerate(await cursors(world))},
        }
        await world.bridge.stop()
        found = dict(traces(world))
    everything = b"\n".join(found.values())
    assert b" DEBUG " in found["bridge's log"], "the bridge does not log all that it could"
    assert [name for name, words in SEEN.items() if words.encode() not in everything] == []
    assert len(secrets) > len(CANARIES)
    leaks = {
        name: [place for place, text in found.items() if secret.encode() in text]
        for name, secret in secrets.items()
    }
    assert {name: places for name, places in leaks.items() if places} == {}
