"""Whatever is scripted, said, answered, interrupted, deleted and restarted: what always holds for a server of generation 2."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from opencode2_scripted import ENDS, Scripted2

REPLIES = ("once", "always", "reject")
SHELL = {"op": "bash", "command": "echo x; sleep 1; echo y"}


def tools(children: st.SearchStrategy) -> st.SearchStrategy:
    answers = st.sampled_from(
        [{}, *({"reply": word, "after": 0.3} for word in REPLIES), {"reply": "reject", "message": "no"}]
    )
    shells = st.builds(lambda more, alone: {**SHELL, **more, "background": alone}, answers, st.booleans())
    questions = st.builds(
        lambda more: {"op": "question", **more}, st.sampled_from([{}, {"answers": [["Blue"]], "after": 0.2}])
    )
    reads = st.just({"op": "tool", "name": "read", "args": {"path": "a.py"}})
    tasks = st.builds(
        lambda script, alone: {"op": "task", "prompt": f"@@{json.dumps(script)}", "background": alone},
        children, st.booleans(),
    )  # fmt: skip
    return st.one_of(shells, questions, reads, tasks)


PLAIN = st.sampled_from(
    [
        {"op": "text", "n": 3, "ms": 20},
        {"op": "text", "n": 40, "ms": 50, "finish": "length"},
        {"op": "text", "n": 3, "finish": "content_filter"},
        {"op": "reason", "n": 3},
        {"op": "slow", "s": 5},
        {"op": "cut", "n": 3},
        {"op": "fail", "status": 429, "times": 2},
        {"op": "fail", "status": 503},
        {"op": "fail", "status": 401},
        {"op": "fail", "status": 400, "code": "context_length_exceeded", "times": 1},
        {"op": "fail", "status": 400, "code": "context_length_exceeded", "times": 2},
        {"op": "in_stream", "n": 2},
        {"op": "refuse"},
        {"op": "no_model"},
        {"op": "event", "type": "rpc.unknown"},
        {"op": "abort", "after": 0.5},
        {"op": "abort", "after": 1.0, "reason": "eclipse"},
        SHELL,
        {"op": "question"},
    ]
)
CHILD = st.lists(PLAIN, max_size=2)
TOOLS = tools(CHILD)
SEVERAL = st.builds(lambda calls: {"op": "tools", "tools": calls}, st.lists(TOOLS, min_size=2, max_size=3))
SCRIPT = st.lists(st.one_of(PLAIN, TOOLS, TOOLS, SEVERAL, SEVERAL), min_size=1, max_size=3)
NUMBER = st.integers(0, 1)
PROMPT = st.tuples(st.just("prompt"), NUMBER, SCRIPT, st.sampled_from(["steer", "queue"]))
WAIT = st.tuples(st.just("advance"), st.sampled_from([0.0, 0.01, 0.12, 0.35, 0.35, 1.0, 7.0]))
REPLY = st.tuples(
    st.just("reply"), NUMBER, st.sampled_from(REPLIES), st.sampled_from([None, None, "because"])
)
FORM = st.tuples(st.just("form"), st.sampled_from(["fill", "cancel", "cancel with a word"]))
INTERRUPT = st.tuples(st.just("interrupt"), NUMBER, st.booleans())
RARE = st.one_of(
    st.tuples(st.just("interrupt child"), NUMBER),
    st.tuples(st.just("compact"), NUMBER),
    st.tuples(st.just("move"), NUMBER),
    st.tuples(st.just("background"), NUMBER),
    st.tuples(st.just("client asks"), NUMBER),
    st.tuples(st.just("delete"), NUMBER),
    st.tuples(st.just("restart"), st.booleans()),
)
ACTION = st.sampled_from([PROMPT] * 3 + [WAIT] * 6 + [REPLY] * 3 + [FORM, INTERRUPT, RARE, RARE]).flatmap(
    lambda strategy: strategy
)
ACTIONS = st.builds(
    lambda first, more: [first, ("advance", 0.12), *more], PROMPT, st.lists(ACTION, min_size=3, max_size=16)
)


class Play:
    """Two sessions, and what is done to them. `lost` counts the executions that a kill left without an end."""

    def __init__(self, flavour: str, managed: bool) -> None:
        self.server = Scripted2(flavour, managed=managed)
        self.sessions = [self.server.session(f"session {number}") for number in range(2)]
        self.lost: Counter[str] = Counter()

    def alive(self, number: int) -> str | None:
        session_id = self.sessions[number]
        return session_id if session_id in self.server.state.sessions else None

    async def do(self, what: str, *given) -> None:
        if what == "advance":
            await self.server.clock.advance(given[0])
        elif what == "restart":
            self._restart(given[0])
        elif what in ("reply", "form", "interrupt child"):
            getattr(self, f"_{what.replace(' ', '_')}")(*given)
        elif (session_id := self.alive(given[0])) is not None:
            getattr(self, f"_{what.replace(' ', '_')}")(session_id, *given[1:])
        self.check()

    def _restart(self, killed: bool) -> None:
        if killed:
            self.lost.update(list(self.server.state.active))
        self.server.restart(killed=killed)

    def _prompt(self, session_id: str, script: list, delivery: str) -> None:
        self.server.prompt(session_id, json.dumps(script), delivery=delivery)

    def _reply(self, number: int, word: str, message: str | None) -> None:
        waiting = list(self.server.state.permissions.values())
        if waiting:
            self.server.api.reply_permission(waiting[number % len(waiting)], word, message)

    def _form(self, how: str) -> None:
        waiting = self.server.state.pending_forms()
        if waiting and how == "fill":
            self.server.api.reply_form(waiting[0], {"q0": "Blue"})
        elif waiting:
            self.server.api.cancel_form(waiting[0], "later" if how == "cancel with a word" else None)

    def _interrupt(self, session_id: str, resume: bool) -> None:
        self.server.api.interrupt(session_id, resume=resume)

    def _interrupt_child(self, number: int) -> None:
        children = [one for one in self.server.state.active if "parentID" in self.server.state.sessions[one]]
        if children:
            self.server.api.interrupt(children[number % len(children)])

    def _compact(self, session_id: str) -> None:
        self.server.api.say(session_id, {}, {"type": "compaction", "payload": {}, "delivery": "steer"})

    def _move(self, session_id: str) -> None:
        payload = {"location": {"directory": "/code/other"}}
        self.server.api.say(session_id, {}, {"type": "move", "payload": payload, "delivery": "steer"})

    def _background(self, session_id: str) -> None:
        self.server.agent.background(session_id)

    def _client_asks(self, session_id: str) -> None:
        self.server.api.ask_permission(session_id, {"action": "deploy", "resources": ["production"]})

    def _delete(self, session_id: str) -> None:
        self.server.api.delete(session_id)

    def check(self) -> None:
        """What waits for an answer belongs to an execution that goes on, or was made by a client."""
        state = self.server.state
        for asked in state.permissions.values():
            assert "source" not in asked.request or asked.session_id in state.active
        for form in state.pending_forms():
            assert form.session_id in state.active
        assert set(state.active) <= set(state.sessions)

    async def finish(self) -> None:
        """Whatever waits is answered, until nothing works any more."""
        for _ in range(60):
            for asked in list(self.server.state.permissions.values()):
                if "source" in asked.request and asked.request["id"] in self.server.state.permissions:
                    self.server.api.reply_permission(asked, "once")
            for form in self.server.state.pending_forms():
                self.server.api.reply_form(form, {"q0": "Blue"})
            await self.server.clock.advance(120)
            if not self.server.state.active and not any(
                map(self.server.state.inbox, self.server.state.sessions)
            ):
                break
        assert not self.server.state.active


def executions_end_once(play: Play) -> None:
    started: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    lost = Counter(play.lost)
    for event in play.server.all:
        session_id = event["data"].get("sessionID", "")
        if event["type"] == "session.execution.started":
            if started[session_id] > ended[session_id]:  # killed, and resumed or prompted again
                lost[session_id] -= 1
                started[session_id] -= 1
            started[session_id] += 1
            assert started[session_id] == ended[session_id] + 1, event
        elif event["type"] in ENDS:
            ended[session_id] += 1
            assert started[session_id] == ended[session_id], event
    assert all(lost[key] >= 0 for key in lost)
    assert all(started[key] - ended[key] <= lost[key] for key in started)


def numbers_rise(play: Play) -> None:
    last: dict[str, int] = {}
    for event in play.server.all:
        if "durable" in event:
            session_id, number = event["durable"]["aggregateID"], event["durable"]["seq"]
            assert number > last.get(session_id, -1), event
            last[session_id] = number


def nothing_follows_the_end_of_a_session(play: Play) -> None:
    deleted: set[str] = set()
    for event in play.server.all:
        if event["type"] == "session.deleted":
            deleted.add(event["data"]["sessionID"])
        else:
            assert event["data"].get("sessionID") not in deleted, event


def calls_and_steps_end(play: Play) -> None:
    """Within an execution that has an end, every tool call and every step ends, once."""
    calls: dict[tuple[str, str], int] = {}
    steps: dict[str, str] = {}
    for event in play.server.all:
        data, kind = event["data"], event["type"].removeprefix("session.")
        session_id = data.get("sessionID", "")
        key = (data.get("assistantMessageID", ""), data.get("id", ""))
        if kind == "tool.called":
            calls[key] = 0
        elif kind in ("tool.success", "tool.failed"):
            calls[key] = calls.get(key, 0) + 1
            assert calls[key] == 1, event
        elif kind == "step.started":
            assert steps.get(session_id) in (None, key[0]), event
            steps[session_id] = key[0]
        elif (
            kind in ("step.ended", "step.failed", "retry.scheduled", "execution.started")
            or event["type"] in ENDS
        ):
            steps.pop(session_id, None)
    if not play.lost:
        assert all(count == 1 for count in calls.values())


HOLDS: tuple[Callable[[Play], None], ...] = (
    executions_end_once,
    numbers_rise,
    nothing_follows_the_end_of_a_session,
    calls_and_steps_end,
)


async def played(actions: list[tuple], flavour: str, managed: bool) -> None:
    play = Play(flavour, managed)
    for action in actions:
        await play.do(*action)
    await play.finish()
    for holds in HOLDS:
        holds(play)
    play.server.agent.kill()
    play.server.process.die()


@settings(max_examples=600, deadline=None)
@given(ACTIONS, st.sampled_from(["beta", "2.0", "2.1"]), st.booleans())
def test_what_always_holds(actions: list[tuple], flavour: str, managed: bool) -> None:
    asyncio.run(played(actions, flavour, managed))
