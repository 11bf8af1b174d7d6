"""Folding events into sessions, and what of it rings."""

from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.wire import Event, Info

CARD_KINDS = ("started", "progress", "stopped")
"""What only the card shows; test_bridge_runs looks at it."""


def fold(sessions: Sessions, *events: Event) -> list[Change]:
    return alerting([change for one in events for change in sessions.fold(one)])


def learn(sessions: Sessions, session: str, info: Info | None) -> list[Change]:
    return alerting(sessions.learn(session, info))


def alerting(changes: list[Change]) -> list[Change]:
    return [change for change in changes if change.kind not in CARD_KINDS]


def told(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.kind, change.session_id) for change in changes]
