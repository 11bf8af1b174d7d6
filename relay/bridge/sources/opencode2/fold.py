"""All sessions of one OpenCode 2 server, folded from its events: what is worth reporting to the phones. Pure.

A child session (a subagent) never completes or fails for the user: its parent reports. What it asks, and what it is doing,
reaches the user under the root session, because that is the one the app can open.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from relay import contract
from relay.bridge.notify.source import Change, Retry
from relay.bridge.sources.doing import last_line, tool_words
from relay.bridge.sources.opencode2.runs import WITHDRAWN, Runs
from relay.bridge.sources.opencode2.session import COMPACTING, THINKING, End
from relay.bridge.sources.opencode2.wire import (
    Data,
    Described,
    Enqueued,
    Event,
    Failed,
    Failure,
    FormCreated,
    Info,
    Interrupted,
    PermissionRequest,
    Replied,
    Retrying,
    Said,
    ToolCalled,
    data_of,
)
from relay.bridge.sources.opencode2.wording import asked_words, failure_words, form_brief, form_words
from relay.bridge.sources.wire import details

T = TypeVar("T")

MAX_NAMES = 64
"""Tool calls and inbox items of one session whose names are remembered."""
MAX_PROMPT = 1000
"""Characters of a prompt that are kept; it may be a whole file."""
MAX_CALL = 4096
"""Bytes of a tool's call that are kept whole, until it has an answer; of a longer one, which may be a whole file, the beginnings of texts."""
MAX_UNKNOWN = 256
"""Unknown types that are counted one by one."""


REASONS: dict[str, End] = {"user": "user", "shutdown": "shutdown", "inactivity": "inactivity"}


class Sessions:
    """The fold. Feed it the events of one server in order; changes come back in order for each session."""

    def __init__(self, runs: Runs | None = None) -> None:
        self._runs = runs or Runs()
        self._tree = self._runs.tree
        self.skipped: Counter[str] = Counter()
        """Types that nobody here knows, and how often they came."""

    def __len__(self) -> int:
        """Sessions remembered."""
        return len(self._tree)

    def title(self, session_id: str) -> str | None:
        """The newest title of the session, or what the user said first; None if neither is known."""
        return self._tree.title(session_id)

    def directory(self, session_id: str) -> str | None:
        """The directory that the session works in, if it is known."""
        session = self._tree.get(session_id)
        return session.directory if session else None

    def state(self, session_id: str, now_ms: float) -> contract.ContentState | None:
        """What the card of a root session shows; None if it does not run."""
        session = self._tree.get(session_id)
        if session is None or not session.running:
            return None
        return session.state(self.title(session_id), self._runs.retry(session_id), now_ms)

    def fold(self, event: Event) -> list[Change]:
        """What `event` changes. Types and shapes that are not known change nothing, and are counted; nor do repetitions."""
        handle = HANDLERS.get(event.type)
        data = data_of(event) if handle else None
        if handle is None or data is None:
            self._skip(event.type)
            return []
        session_id = data.session_id
        if session_id and (self._tree.deleted(session_id) or self._repeated(session_id, event)):
            return []
        changes = handle(self, event.id or self._runs.fresh_id(), data, event)
        if event.seq is not None and (session := self._tree.get(session_id)):
            session.seq, session.event_id = event.seq, event.id or ""
        return changes

    def _repeated(self, session_id: str, event: Event) -> bool:
        """Whether it was folded before. A smaller number with a newer id is another history, as after a restored backup."""
        session = self._tree.get(session_id)
        if session is None or event.seq is None:
            return False
        return event.seq <= session.seq and (event.id or "") <= session.event_id

    def learn(self, session_id: str, info: Info | Described | None) -> list[Change]:
        """Fold in what the server says of a session; None: nothing can be learnt, so it counts as a root."""
        before = self.title(session_id)
        changes = self._tree.learn(session_id, info)
        if self.title(session_id) != before:
            changes += self._runs.retitled(session_id, self._runs.fresh_id())
        return changes

    def check(self) -> list[Change]:
        """Call it every few seconds: ends the runs that were suspended and that nothing wakes."""
        return self._runs.check()

    def forget(self, session_id: str) -> list[Change]:
        """The server says that it does not know the session: it was deleted."""
        return self._tree.delete(session_id, self._runs.fresh_id())

    def _skip(self, kind: str) -> None:
        if kind in self.skipped or len(self.skipped) < MAX_UNKNOWN:
            self.skipped[kind] += 1

    # Handlers, one for each kind of event.

    def _on_connected(self, _: str, __: Data, ___: Event) -> list[Change]:
        self._runs.connected_at = self._runs.events
        for _id, session in self._tree:
            session.unobserved = session.executing or session.running
        return []

    def _on_described(self, _: str, data: Data, event: Event) -> list[Change]:
        said = details(event.data, Described)
        if event.type != "session.created":  # only a new session is described whole
            return self._redescribed(data.session_id, said)
        return self.learn(data.session_id, said)

    def _redescribed(self, session_id: str, said: Described) -> list[Change]:
        session = self._tree.session(session_id)
        session.title = said.title or session.title
        session.directory = said.directory or session.directory
        return self._runs.retitled(session_id, self._runs.fresh_id())

    def _on_deleted(self, event_id: str, data: Data, _: Event) -> list[Change]:
        return self._tree.delete(data.session_id, event_id)

    def _on_enqueued(self, event_id: str, data: Data, event: Event) -> list[Change]:
        enqueued = details(event.data, Enqueued)
        item = enqueued.item or enqueued.input
        session = self._tree.session(data.session_id)
        _remember(session.inbox, data.inbox_id or data.input_id, item.type)
        if item.type != "user" or session.prompt:
            return []
        before = session.name
        session.prompt = item.payload.text.strip()[:MAX_PROMPT]
        return self._runs.progress(data.session_id, event_id) if session.name != before else []

    def _on_delivered(self, event_id: str, data: Data, _: Event) -> list[Change]:
        session = self._tree.session(data.session_id)
        message_id = data.inbox_id or data.input_id
        kind = session.inbox.pop(message_id, "user")
        if kind not in ("user", "synthetic"):
            return []
        session.newest_id = message_id or session.newest_id
        return self._runs.work(data.session_id, event_id)

    def _on_started(self, _: str, data: Data, __: Event) -> list[Change]:
        session = self._tree.session(data.session_id)
        session.begin(self._runs.touch(session))
        return self._tree.ask_for(data.session_id)

    def _on_succeeded(self, event_id: str, data: Data, _: Event) -> list[Change]:
        return self._end(data.session_id, "succeeded", event_id)

    def _on_failed(self, event_id: str, data: Data, event: Event) -> list[Change]:
        return self._end(data.session_id, "failed", event_id, details(event.data, Failed).error)

    def _on_interrupted(self, event_id: str, data: Data, event: Event) -> list[Change]:
        return self._end(
            data.session_id, REASONS.get(details(event.data, Interrupted).reason, "other"), event_id
        )

    def _end(
        self,
        session_id: str,
        end: End,
        event_id: str,
        failure: Failure = Failure(),  # noqa: B008
    ) -> list[Change]:
        session = self._tree.session(session_id)
        unseen = not session.worked and session.began_at <= self._runs.connected_at
        if unseen and (end != "failed" or session.end_read):
            # It began before this connection: the server alone knows whether it had a step, and is asked.
            self._runs.touch(session)
            session.executing, session.unobserved = False, True
            return self._tree.ask_for(session_id)
        return self._runs.end(session_id, end, event_id, failure_words(failure) if end == "failed" else "")

    def _on_step(self, event_id: str, data: Data, _: Event) -> list[Change]:
        self._tree.session(data.session_id).step(data.assistant_message_id)
        return self._runs.work(data.session_id, event_id)

    def _on_thinking(self, event_id: str, data: Data, _: Event) -> list[Change]:
        return self._runs.show(data.session_id, event_id, THINKING)

    def _on_text(self, event_id: str, data: Data, event: Event) -> list[Change]:
        session = self._tree.session(data.session_id)
        session.speak()
        session.newest_id = data.assistant_message_id or session.newest_id  # its step may have been missed
        return self._runs.show(data.session_id, event_id, last_line(details(event.data, Said).text))

    def _on_tool_named(self, _: str, data: Data, event: Event) -> list[Change]:
        _remember(self._tree.session(data.session_id).tools, data.id, details(event.data, Said).name)
        return []

    def _on_tool(self, event_id: str, data: Data, event: Event) -> list[Change]:
        session = self._tree.session(data.session_id)
        session.speak()
        name = session.tools.pop(data.id, "")
        given = details(event.data, ToolCalled).input
        _remember(session.calls, data.id, given if len(bytes(event.data)) <= MAX_CALL else _beginnings(given))
        words = tool_words(name, given, "", session.directory)
        return self._runs.show(data.session_id, event_id, words)

    def _on_tool_over(self, _: str, data: Data, __: Event) -> list[Change]:
        if session := self._tree.get(data.session_id):
            session.calls.pop(data.id, None)
        return []

    def _on_retry(self, event_id: str, data: Data, event: Event) -> list[Change]:
        again = details(event.data, Retrying)
        self._runs.wait(data.session_id, Retry(again.attempt, again.at, failure_words(again.error)))
        return self._runs.work(data.session_id, event_id)

    def _on_compaction(self, event_id: str, data: Data, _: Event) -> list[Change]:
        return self._runs.show(data.session_id, event_id, COMPACTING)

    def _on_compacted(self, event_id: str, data: Data, _: Event) -> list[Change]:
        return self._runs.show(data.session_id, event_id, THINKING)

    def _on_permission(self, _: str, data: Data, event: Event) -> list[Change]:
        directory = self.directory(data.session_id) or event.directory
        asking = details(event.data, PermissionRequest)
        session = self._tree.get(data.session_id)
        arguments = session.calls.get(asking.call_id, {}) if session else {}
        return self._runs.ask(data.session_id, data.id, asked_words(asking, arguments, directory))

    def _on_replied(self, _: str, data: Data, event: Event) -> list[Change]:
        declined = details(event.data, Replied).reply == "reject"
        return self._answered(data.session_id, data.request_id, declined=declined)

    def _on_form(self, _: str, __: Data, event: Event) -> list[Change]:
        form = details(event.data, FormCreated).form
        if not form.of_a_session:
            return []
        return self._runs.ask(form.session_id, form.id, form_words(form), form_brief(form), is_form=True)

    def _on_form_replied(self, _: str, data: Data, __: Event) -> list[Change]:
        return self._answered(data.session_id, data.id, declined=False)

    def _on_form_cancelled(self, _: str, data: Data, __: Event) -> list[Change]:
        return self._answered(data.session_id, data.id, declined=True)

    def _answered(self, session_id: str, request_id: str, *, declined: bool) -> list[Change]:
        session = self._tree.session(session_id)
        session.declined = session.declined or declined
        return self._runs.answer(session_id, request_id)

    def _on_location_shutdown(self, _: str, __: Data, event: Event) -> list[Change]:
        changes: list[Change] = []
        for session_id, session in self._tree:
            if session.directory is not None and session.directory == event.directory:
                for request in list(session.pending):
                    changes += self._runs.answer(session_id, request, WITHDRAWN)
        return changes


def _beginnings(given: dict[str, Any]) -> dict[str, Any]:
    """The texts in a tool's input, shortened; nobody reads more of them on a phone."""
    return {name: text[:MAX_PROMPT] for name, text in given.items() if isinstance(text, str)}


def _remember(names: dict[str, T], key: str, name: T) -> None:
    if key and name:
        names[key] = name
        if len(names) > MAX_NAMES:
            del names[next(iter(names))]


HANDLERS: dict[str, Callable[[Sessions, str, Data, Event], list[Change]]] = {
    "server.connected": Sessions._on_connected,
    "session.created": Sessions._on_described,
    "session.renamed": Sessions._on_described,
    "session.moved": Sessions._on_described,
    "session.deleted": Sessions._on_deleted,
    "session.inbox.enqueued": Sessions._on_enqueued,
    "session.inbox.delivered": Sessions._on_delivered,
    "session.execution.started": Sessions._on_started,
    "session.execution.succeeded": Sessions._on_succeeded,
    "session.execution.failed": Sessions._on_failed,
    "session.execution.interrupted": Sessions._on_interrupted,
    "session.step.started": Sessions._on_step,
    "session.reasoning.started": Sessions._on_thinking,
    "session.text.ended": Sessions._on_text,
    "session.tool.input.started": Sessions._on_tool_named,
    "session.tool.called": Sessions._on_tool,
    "session.tool.success": Sessions._on_tool_over,
    "session.tool.failed": Sessions._on_tool_over,
    "session.retry.scheduled": Sessions._on_retry,
    "session.compaction.started": Sessions._on_compaction,
    "session.compaction.ended": Sessions._on_compacted,
    "permission.asked": Sessions._on_permission,
    "permission.replied": Sessions._on_replied,
    "form.created": Sessions._on_form,
    "form.replied": Sessions._on_form_replied,
    "form.cancelled": Sessions._on_form_cancelled,
    "location.shutdown": Sessions._on_location_shutdown,
    # What the releases before 2.0.4 call them.
    "session.input.admitted": Sessions._on_enqueued,
    "session.input.promoted": Sessions._on_delivered,
}
"""OpenCode 2's event types that matter here; all others are skipped."""
