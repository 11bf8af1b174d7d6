"""What the bridge sends to its relay."""

from collections.abc import Callable

from component.bridge.fake_relay import Posted
from component.bridge.running import SECRET
from relay import contract
from relay.bridge.notify.outbox import Outbox

MakeOutbox = Callable[..., Outbox]
"""The fixture `make_outbox`: `make_outbox(bound=3)`."""


def event(session: str, number: int = 0) -> contract.Event:
    return contract.Event(
        secret=SECRET,
        event_type="complete",
        session_id=session,
        title="Fix it",
        body="Done.",
        event_id=f"{session}-{number}",
    )


def event_ids(posted: list[Posted]) -> list[str]:
    return [one.eventID for one in posted]


def card(session: str, number: int, kind: contract.EventType = "progress") -> contract.Event:
    state = contract.ContentState(status="working", session_title="Fix it", last_message=f"step {number}")
    return contract.Event(
        secret=SECRET,
        event_type=kind,
        session_id=session,
        content_state=state,
        event_id=f"{session}-card-{number}",
    )
