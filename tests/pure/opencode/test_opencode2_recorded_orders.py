"""Free play against recordings of a real engine of generation 2: what its person did is done again to the scripted server,
and the same events must follow in the same order. Identifiers, texts and the number of words may differ, and so may what
belongs to no session (noise).
"""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

import simulator
from opencode2_scripted import D, Scripted2
from simulator.opencode.v2.conduct import BETA
from simulator.opencode.v2.shapes import synthetic_item
from simulator.opencode.v2.wire import FLAVOURS

RECORDINGS = Path(simulator.__file__).parent / "scenarios" / "opencode2" / "recordings"


def recorded(name: str, stream: str = "api") -> list[dict]:
    lines = (RECORDINGS / f"{name}.{stream}.ndjson").read_text().splitlines()
    return [line["event"] for line in map(json.loads, lines) if "event" in line]


DESCRIBED = {
    "session.created": lambda data: f"{data.get('title')} {'child' if 'parentID' in data else 'root'}",
    "session.inbox.enqueued": lambda data: f"{data['item']['type']} {data['item']['delivery']}",
    "session.execution.failed": lambda data: (data["error"]["type"], data["error"].get("status")),
    "session.execution.interrupted": lambda data: data["reason"],
    "session.step.ended": lambda data: (data["finish"], data["files"]),
    "session.step.failed": lambda data: (data["error"]["type"], data["error"].get("status"), "cost" in data),
    "session.tool.input.started": lambda data: data["name"],
    "session.tool.called": lambda data: sorted(data["input"]),
    "session.tool.success": lambda data: sorted(data["metadata"]),
    "session.tool.failed": lambda data: (data["error"]["type"], sorted(data.get("metadata", {}))),
    "session.retry.scheduled": lambda data: (data["attempt"], data["error"]["type"]),
    "session.compaction.ended": lambda data: data["reason"],
    "session.text.ended": lambda data: data["ordinal"],
    "permission.asked": lambda data: (data["action"], data["resources"], data.get("save"), sorted(data)),
    "permission.replied": lambda data: data["reply"],
    "form.created": lambda data: data["form"]["fields"],
    "form.replied": lambda data: data["answer"],
}
OURS = ("session.", "permission.", "form.", "shell.")


def label(event: dict) -> str:
    """What an event says, without identifiers, times and texts, and whether it is numbered and located."""
    describe = DESCRIBED.get(event["type"], lambda _: "")
    where = f"{'numbered' if 'durable' in event else ''} {event.get('location', {}).get('directory', '')}"
    return f"{event['type']} {describe(event['data'])} {where}"


def labels(events: list[dict]) -> list[str]:
    """Of all sessions as they are interleaved, each with the number of the session."""
    numbers: dict[str, int] = {}
    found = []
    for event in events:
        if event["type"].endswith(".delta") or not event["type"].startswith(OURS):
            continue
        session = event["data"].get("form", event["data"]).get("sessionID", "")
        found.append(f"{numbers.setdefault(session, len(numbers))} {label(event)}")
    return found


def by_session(events: list[dict]) -> dict[str, list[str]]:
    """Each session's own, by its title."""
    titles = {
        one["data"]["sessionID"]: one["data"]["title"] for one in events if one["type"] == "session.created"
    }
    own = {
        title: [one for one in events if one["data"].get("sessionID") == key] for key, title in titles.items()
    }
    return {title: labels(several) for title, several in own.items()}


def types(events: list[dict]) -> list[str]:
    """Only the types."""
    return [one.split()[1] for one in labels(events)]


def holes(events: list[dict]) -> list[int]:
    """How many numbers are skipped before each numbered event of the first session."""
    numbered = [event["durable"] for event in events if "durable" in event]
    own = [one["seq"] for one in numbered if one["aggregateID"] == numbered[0]["aggregateID"]]
    return [later - earlier - 1 for earlier, later in pairwise(own)]


class Person:
    """Does to a scripted server what was done in a recording: its sessions and prompts, in turn."""

    def __init__(self, name: str, *streams: str, flavour: str = "2.1") -> None:
        self.server = Scripted2(flavour)
        self.server.agent.conduct = BETA
        self.server.process.flavour = replace(FLAVOURS[flavour], resumes_killed=False)
        events = [event for stream in streams or ("api",) for event in recorded(name, stream)]
        self._sessions = {
            one["data"]["sessionID"]: one["data"]
            for one in events
            if one["type"] == "session.created" and "parentID" not in one["data"]
        }
        self._prompts = iter([one["data"] for one in events if prompts(one, self._sessions)])
        self._ids: dict[str, str] = {}

    @property
    def session_id(self) -> str:
        """The session that was made last."""
        return list(self._ids.values())[-1]

    def create(self) -> None:
        session = next(one for key, one in self._sessions.items() if key not in self._ids)
        body = {key: session[key] for key in ("title", "location", "model") if key in session}
        self._ids[session["sessionID"]] = self.server.api.create(body)["id"]

    def prompt(self) -> None:
        data = next(self._prompts)
        if data["sessionID"] not in self._ids:
            self.create()
        session_id, item = self._ids[data["sessionID"]], data["item"]
        text = with_refusal(item["payload"]["text"], self.server.state.sessions[session_id])
        said = {"text": text, "delivery": item["delivery"], "resume": text != "later"}
        self.server.api.prompt(session_id, said)

    async def do(self, step: str) -> None:
        """A word of the tables below, and what belongs to it."""
        word, _, rest = step.partition(" ")
        server = self.server
        match word:
            case "create":
                self.create()
            case "prompt":
                self.prompt()
            case "model":
                chosen = {"id": "no-such-model", "providerID": "fake"}
                data = {"sessionID": self.session_id, "model": chosen}
                server.process.publish("session.model.selected", data)
            case "idle":
                await server.idle(self.session_id)
            case "wait":
                await server.clock.advance(float(rest))
            case "interrupt":
                assert server.api.interrupt(self.session_id)
            case "stop" | "kill":
                server.restart(killed=word == "kill")
            case "synthetic":
                item = synthetic_item({"text": "a note", "description": "note"})
                server.api.enqueue(self.session_id, "msg_note", item)
                server.agent.wake(self.session_id)
            case "reply":
                reply, _, number = rest.partition(" ")
                asked = await server.asked(int(number or 0) + 1)
                server.api.reply_permission(asked[int(number or 0)], reply)
            case "refuse":
                await server.answer("reject", rest)
            case "fill":
                server.api.reply_form(await server.form(), json.loads(rest))
            case "dismiss":
                server.api.cancel_form(await server.form())
            case _:
                raise AssertionError(step)


def prompts(event: dict, roots: dict) -> bool:
    """Whether a person says something with this event."""
    if event["type"] != "session.inbox.enqueued" or event["data"]["sessionID"] not in roots:
        return False
    return event["data"]["item"]["type"] == "user"


def with_refusal(text: str, session: dict) -> str:
    """The recorded person chose models that there are not, or a provider where nobody listens; here the prompt says so."""
    provider = session.get("model", {}).get("providerID")
    if provider == "dead":
        return '@@[{"op": "refuse"}]'
    if session.get("model") is not None:
        return '@@[{"op": "no_model"}]'
    return text


ONE = ["prompt", "idle"]
ONCE = ["prompt", "reply once", "idle"]
STEPS = {
    "a_first_turn_untitled": [*ONE, "wait 1"],
    "a_reason": ONE,
    "a_text": ONE,
    "b_permission_always": ["prompt", "reply always", "idle", "wait 0.1", *ONE],
    "b_permission_edit": ["prompt", "reply once", "reply once", "idle"],
    "b_permission_external_directory": ONCE,
    "b_permission_once": ONCE,
    "b_permission_parallel": ["prompt", "reply once 1", "wait 0.4", "reply once", "idle"],
    "b_permission_reject": ["prompt", "reply reject", "idle", *ONE],
    "b_permission_reject_message": ["prompt", "refuse Use printf instead", "idle"],
    "b_permission_then_interrupt": ["prompt", "wait 0.5", "interrupt"],
    "b_permission_webfetch": ONCE,
    "c_error_400": ONE,
    "c_error_401": ONE,
    "c_error_content_filter": ONE,
    "c_error_context_overflow": [*ONE, *ONE],
    "c_error_cut": ONE,
    "c_error_bad_model": [*ONE, *ONE, "create", "model", *ONE],
    "c_finish_length": ONE,
    "d_retry_429_retry_after": ONE,
    "d_retry_503_backoff": ONE,
    "d_retry_connection_refused": ONE,
    "e_interrupt": ["prompt", "wait 0.4", "interrupt", *ONE],
    "e_interrupt_in_tool": ["prompt", "reply once", "wait 1.5", "interrupt"],
    "e_second_prompt_queue": ["prompt", "wait 0.7", "prompt", "prompt", "idle"],
    "g_child_error": ONE,
    "g_child_permission": ONCE,
    "h_form_answered": ["prompt", 'fill {"q0": "Blue"}', "idle"],
    "h_form_cancelled": ["prompt", "dismiss", "idle"],
    "h_form_multiple": ["prompt", 'fill {"q0": ["Red", "Green"], "q1": "something of my own"}', "idle"],
    "l_wait_and_synthetic": [*ONE, "synthetic", "idle", "prompt", "wait 1"],
    "m_slow_first_token": ONE,
}
AT_ONCE = {
    "f_two_directories": [
        "create",
        "create",
        "prompt",
        "prompt",
        "wait 1",
        "reply once",
        "reply once",
        "idle",
    ],
    "f_two_sessions": ["create", "create", "prompt", "prompt", "idle", "wait 1"],
}
"""Sessions that work side by side: their events interleave freely."""
RESTARTED = {
    "i_sigterm_while_streaming": ["prompt", "wait 0.6", "stop", "wait 6", *ONE],
    "i_sigterm_permission_pending": ["prompt", "wait 1", "stop", "wait 6", *ONE],
    "i_service_stop_while_streaming": ["prompt", "wait 0.6", "stop", "wait 6", *ONE],
    "i_sigkill_while_streaming": ["prompt", "wait 0.6", "kill", "wait 6", *ONE],
    "i_sigterm_idle": ["prompt", "idle", "wait 1", "stop", "wait 6", *ONE],
}
"""Stops of the managed service, and what a subscriber sees that comes when it is up again."""


@pytest.mark.parametrize("name", STEPS)
async def test_the_same_events_follow_in_the_same_order(name: str) -> None:
    person = Person(name)
    for step in STEPS[name]:
        await person.do(step)
    assert labels(person.server.sent) == labels(recorded(name))
    assert holes(person.server.sent) == holes(recorded(name))
    assert not person.server.state.permissions
    assert D in person.server.state.locations


@pytest.mark.parametrize("name", AT_ONCE)
async def test_each_of_several_sessions_has_its_events_in_order(name: str) -> None:
    person = Person(name)
    for step in AT_ONCE[name]:
        await person.do(step)
    assert by_session(person.server.sent) == by_session(recorded(name))


@pytest.mark.parametrize("name", RESTARTED)
async def test_a_restart_is_seen_as_it_was_recorded(name: str) -> None:
    """Nobody hears how the turn ends and begins again."""
    person = Person(name, "api", "api2")
    for step in RESTARTED[name]:
        await person.do(step)
    cut = len(labels(recorded(name)))
    assert labels(person.server.sent)[:cut] == labels(recorded(name))
    assert labels(person.server.sent)[cut:] == labels(recorded(name, "api2"))


@pytest.mark.parametrize("name", RESTARTED)
async def test_what_nobody_heard_of_took_numbers(name: str) -> None:
    """As the engine itself numbered them, which knew no `step.streamed`."""
    person = Person(name, "api", "api2", flavour="beta")
    sent, cut = person.server.sent, 0
    for step in RESTARTED[name]:
        cut = len(sent) if step in ("stop", "kill") else cut
        await person.do(step)
    first = next(event["durable"]["seq"] for event in sent[cut:] if "durable" in event)
    assert first == next(event["durable"]["seq"] for event in recorded(name, "api2") if "durable" in event)


async def test_output_is_not_streamed_line_by_line() -> None:
    """The fake's shell knows no loops, so the recorded command asks for other resources; all else is the same."""
    person = Person("n_chatty_tool")
    for step in ONCE:
        await person.do(step)
    assert types(person.server.sent) == types(recorded("n_chatty_tool"))


async def test_forks_and_an_empty_execution_before_the_end() -> None:
    person = Person("l_fork_rename")
    for step in ONE:
        await person.do(step)
    api, session_id = person.server.api, person.session_id
    first = next(iter(person.server.state.transcripts[session_id]))
    api.rename(session_id, "renamed")
    forks = [api.fork(session_id, before) for before in (None, first)]
    owner = {"sessionID": session_id}
    person.server.process.publish("session.agent.selected", {**owner, "agent": "plan"})
    person.server.process.publish(
        "session.model.selected", {**owner, "model": {"id": "m", "providerID": "fake"}}
    )
    person.server.process.publish("session.revert.staged", {**owner, "revert": {"messageID": first}})
    api.clear_revert(session_id)
    api.delete(session_id)
    assert labels(person.server.sent) == labels(recorded("l_fork_rename"))
    assert all("parentID" not in fork for fork in forks)
