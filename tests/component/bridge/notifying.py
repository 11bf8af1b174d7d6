"""A source without OpenCode and an outbox that keeps what it gets: what the tests of the notifier stand between."""

import asyncio
from collections.abc import Callable, Iterable

from relay import contract
from relay.bridge.errors import Unreachable
from relay.bridge.notify.notifier import Notifier
from relay.bridge.notify.source import Change, Known, Retry, SourceHealth


class FakeSource:
    """Sessions as a test sets them: `doing` of those that run, and the texts of those that end."""

    known = Known()

    def __init__(self) -> None:
        self.doing: dict[str, str] = {}
        self.retry: Retry | None = None
        self.texts: dict[tuple[str, str], str] = {}
        self.named = "Fix it"
        self.gate = asyncio.Event()  # texts come once it is set
        self.gate.set()
        self.asked = 0

    async def ready(self) -> None: ...

    async def identity(self) -> str:
        return ""

    async def knows(self, session_id: str) -> bool:
        return False

    def restore(self, running: Iterable[str], known: Known) -> None: ...

    async def run(self, notify: Callable[[Change], None], alive: Callable[[], None]) -> None: ...

    async def close(self, drain_seconds: float) -> None: ...

    def health(self) -> SourceHealth:
        return SourceHealth()

    def state(self, session_id: str, now_ms: float) -> contract.ContentState | None:
        doing = self.doing.get(session_id)
        if doing and self.retry:
            return contract.ContentState(
                status="retry", session_title=self.named, last_message=self.retry.reason
            )
        return doing and contract.ContentState(status="working", session_title=self.named, last_message=doing)  # type: ignore[return-value]

    def title(self, session_id: str) -> str | None:
        return self.named

    def directory(self, session_id: str) -> str | None:
        return "/code/demo"

    async def newest_text(self, session_id: str, last_id: str) -> str:
        self.asked += 1
        await self.gate.wait()
        try:
            return self.texts[session_id, last_id]
        except KeyError:
            raise Unreachable("nobody there") from None


class Sent:
    """An outbox that keeps what it gets."""

    def __init__(self) -> None:
        self.events: list[contract.Event] = []
        self.withdrawn: list[str] = []

    def put(self, event: contract.Event) -> None:
        self.events.append(event)

    def withdraw(self, session_id: str, event_id: str) -> None:
        self.withdrawn.append(event_id)

    def types(self) -> list[str]:
        return [event.event_type for event in self.events]

    def shown(self) -> list[tuple[str, str]]:
        states = [event.content_state for event in self.events]
        return [(state.status, state.last_message) for state in states if state]


Make = Callable[..., Notifier]


def work(notifier: Notifier, source: FakeSource, *steps: str) -> None:
    for doing in steps:
        source.doing["ses_a"] = doing
        notifier.notify(Change("progress", "ses_a", doing))
