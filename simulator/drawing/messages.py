"""Who sent what to whom, read from the journal: the rows of a sequence diagram. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from simulator.journal import Entry

Json = dict[str, Any]

TOGETHER_SECONDS = 0.5
"""What happens so soon after the beginning of a step belongs to it, in the order of the ranks below."""

NOTED = frozenset(
    {"session.idle", "session.error", "permission.asked", "permission.replied", "question.asked"}
    | {"session.execution.succeeded", "session.execution.failed", "form.created"}
)
"""OpenCode's events that may lead to a notification; the many others are not drawn."""


@dataclass(frozen=True, slots=True)
class Message:
    """One row. `at` is UNIX seconds; sender and receiver are "opencode", "bridge", "relay", "apns" or a phone's name.

    Where both are the same it is something that happened there. `refused`: it was not taken.
    """

    at: float
    sender: str
    receiver: str
    text: str
    refused: bool = False


class Row(NamedTuple):
    """How an entry becomes a message, None if it is not worth one; `rank` is its place within a step."""

    rank: int
    message: Callable[[Entry], Message | None]


def messages(entries: Iterable[Entry]) -> list[Message]:
    """The rows, oldest first.

    Parts that work at the same time write into the journal in any order. So that the same story always gives the same
    picture, what belongs to one step is put in the order of cause and effect, and of names where that says nothing.
    """
    placed: list[tuple[int, int, str, str, Message]] = []
    step, began = 0, float("-inf")
    for entry in sorted(entries, key=lambda entry: entry.at):
        row = ROWS.get((entry.where, entry.what))
        message = row.message(entry) if row else None
        if row is None or message is None:
            continue
        rank = row.rank + _later(entry)
        if rank == 0 or entry.at - began > TOGETHER_SECONDS:
            step, began = step + 1, entry.at
        placed.append((step, rank, message.receiver, message.text, message))
    return [message for *_, message in sorted(placed, key=lambda one: one[:4])]


def _later(entry: Entry) -> int:
    """Of one event's pushes the alert comes first, then what becomes of it, then the Live Activity's."""
    return 2 if entry.detail.get("push_type") == "liveactivity" else 0


def _opencode(entry: Entry) -> Message | None:
    kind = entry.detail["type"]
    return Message(entry.at, "opencode", "bridge", kind) if kind in NOTED else None


def _reported(entry: Entry) -> Message:
    says = entry.detail.get("says")
    text = entry.detail["eventType"] + (f": {says}" if says else "")
    return Message(entry.at, "bridge", "relay", text)


def _push(entry: Entry) -> Message:
    detail = entry.detail
    status, reason = detail["status"], detail["reason"]
    answer = "no answer" if status is None else f"{status} {reason or ''}".rstrip()
    text = f"{detail['push_type']}, priority {detail['priority'] or '10'}: {answer}"
    return Message(entry.at, "relay", "apns", text, refused=status != 200)


def _disposition(entry: Entry) -> Message | None:
    """What became of an accepted push if it was not handed over."""
    detail = entry.detail
    if detail["outcome"] == "sent":
        return None
    why = f": {detail['why']}" if detail["why"] else ""
    return Message(
        entry.at, "apns", "apns", f"{detail['outcome']}{why}", refused=detail["outcome"] == "discarded"
    )


def _to_phone(word: str, said: Callable[[Json], str], *, refused: bool = False) -> Callable[[Entry], Message]:
    """What a push did on the phone; or what happened there, if no push did it."""

    def message(entry: Entry) -> Message:
        phone = entry.detail["phone"]
        by_push = "apnsID" in entry.detail
        return Message(entry.at, "apns" if by_push else phone, phone, f"{word}{said(entry.detail)}", refused)

    return message


def _to_relay(text: str) -> Callable[[Entry], Message]:
    def message(entry: Entry) -> Message:
        outcome = entry.detail["outcome"]
        refused = outcome != "accepted"
        return Message(
            entry.at, entry.detail["phone"], "relay", f"{text}: {outcome}" if refused else text, refused
        )

    return message


def _at_phone(said: Callable[[Json], str]) -> Callable[[Entry], Message]:
    return lambda entry: Message(entry.at, entry.detail["phone"], entry.detail["phone"], said(entry.detail))


def _title(detail: Json) -> str:
    return f"“{detail['title']}”"


def _state(detail: Json) -> str:
    state = detail.get("contentState") or {}
    return f"{state.get('status', '?')}, {state.get('retryInfo') or state.get('lastMessage', '')}"


def _why(detail: Json) -> str:
    return str(detail["why"])


ROWS: dict[tuple[str, str], Row] = {
    ("opencode", "event"): Row(0, _opencode),
    ("bridge", "tells"): Row(0, _reported),
    ("relay", "event"): Row(1, _reported),
    ("apns", "push"): Row(2, _push),
    ("apns", "delivery"): Row(3, _disposition),
    ("phone", "shown"): Row(3, _to_phone("shows ", _title)),
    ("phone", "replaced"): Row(3, _to_phone("shows again ", _title)),
    ("phone", "dropped"): Row(5, _to_phone("drops it: ", _why, refused=True)),
    ("phone", "started"): Row(5, _to_phone("card starts: ", _state)),
    ("phone", "updated"): Row(5, _to_phone("card: ", _state)),
    ("phone", "deferred"): Row(5, _to_phone("card waits: ", _why)),
    ("phone", "ended"): Row(5, _to_phone("card ends: ", _state)),
    ("phone", "stale"): Row(6, _at_phone(lambda _: "the card is stale")),
    ("phone", "dismissed"): Row(6, _at_phone(lambda detail: f"the card goes: {detail['why']}")),
    ("phone", "set"): Row(0, _at_phone(lambda detail: f"{detail['key']}: {detail['value']}")),
    ("phone", "paired"): Row(0, _at_phone(lambda _: "pairs")),
    ("phone", "token changed"): Row(0, _at_phone(lambda _: "gets a new token")),
    ("phone", "push-to-start token changed"): Row(0, _at_phone(lambda _: "gets a new push-to-start token")),
    ("phone", "register"): Row(7, _to_relay("register")),
    ("phone", "unregister"): Row(6, _to_relay("unregister")),
    ("phone", "activity register"): Row(7, _to_relay("the card's token")),
    ("phone", "activity unregister"): Row(7, _to_relay("the card has ended")),
    ("world", "relay stopped"): Row(0, lambda entry: Message(entry.at, "relay", "relay", "stops")),
    ("world", "relay started"): Row(0, lambda entry: Message(entry.at, "relay", "relay", "starts")),
}
"""The entries worth a row, and their place in a step, which anything of rank 0 begins."""
