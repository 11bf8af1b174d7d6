"""One plain line for each push, and for what becomes of it later: `04:29:14 alert 200 shown "Fix the login"`. No I/O.

What happens to a push while it is answered is written into the journal in one go, so that a line is made of an entry of APNs and
of those that follow it. What a phone does later (a push that was stored, an update that waited) is a line of its own.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from simulator.journal import Entry
from simulator.lab.why import explain

Json = dict[str, Any]

_CONNECTION: Final[dict[str, Callable[[Json], str]]] = {
    "stream_reset": lambda d: f"a request was reset: {d['code']}, {d['why']}",
    "protocol_error": lambda d: f"a connection ended: {d['code']}, {d['message']}",
    "proxy_refused": lambda d: f"the proxy refused {d['target']}: {d['why']}",
    "connection_crashed": lambda d: f"a connection crashed: {d['error']}",
}


def printable(text: object) -> str:
    """A provider's text on one line of a terminal: no control characters, of which a terminal would obey some."""
    words = " ".join(str(text).split())
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in words
    )


def line(entries: Sequence[Entry]) -> str | None:
    """The line of a push and what follows it at once, or of something that happens later; None for what is not worth one."""
    first = entries[0]
    text = summary(first, entries[1:])
    clock = time.strftime("%H:%M:%S", time.localtime(first.at))
    return None if text is None else f"{clock} {text}"


def summary(first: Entry, later: Sequence[Entry]) -> str | None:
    """The same without the time."""
    text = _text(first, later)
    return None if text is None else printable(text)


def begins_a_line(entry: Entry) -> bool:
    """Whether this is the answer to a request; what follows it at once belongs to it."""
    return entry.where == "apns" and entry.what in ("push", "channel")


def outcome_of(entry: Entry) -> str | None:
    """What became of a push by this entry, `shown "Fix the login"`; None for an entry that is about something else."""
    if (entry.where, entry.what) == ("apns", "delivery"):
        return _delivery(entry)
    return _on_the_phone(entry)


def _text(first: Entry, later: Sequence[Entry]) -> str | None:
    if begins_a_line(first):
        return f"{_answer(first)}{_outcome(first, later)}"
    if first.where == "apns" and first.what in _CONNECTION:
        return _CONNECTION[first.what](first.detail)
    if first.where == "apns" and first.what == "delivery":
        return None if first.detail["outcome"] == "sent" else f"push {_delivery(first)}"
    text = _on_the_phone(first)
    return None if text is None else f"{first.detail.get('phone', 'phone')} {text}"


def _answer(entry: Entry) -> str:
    """`alert 200`; what a fault rule did is said."""
    detail = entry.detail
    kind = "channel" if entry.what == "channel" else detail.get("push_type") or "alert"
    fault = " (a fault rule)" if detail.get("fault") else ""
    if detail.get("status") is None:
        return f"{kind} no answer{fault}"
    return f"{kind} {detail['status']}{fault}"


def _outcome(entry: Entry, later: Sequence[Entry]) -> str:
    reason = entry.detail.get("reason")
    if reason is not None:
        why = explain(entry)
        said = why is not None and why.short and not entry.detail.get("fault")
        return f" {reason}: {why.short}" if why and said else f" {reason}"
    if entry.what == "channel":
        return f" {entry.detail.get('method', '')} {entry.detail.get('channel_id') or ''}"
    shown = [text for one in later if (text := _on_the_phone(one)) is not None]
    if shown:
        return f" {', '.join(dict.fromkeys(shown))}"
    deliveries = [_delivery(one) for one in later if (one.where, one.what) == ("apns", "delivery")]
    return f" {', '.join(dict.fromkeys(deliveries))}" if deliveries else ""


def _delivery(entry: Entry) -> str:
    outcome, why = entry.detail["outcome"], explain(entry)
    if outcome == "discarded":
        return f"discarded: {why.short if why else entry.detail['why']}"
    if outcome == "stored" and why is not None:
        return why.short
    return "sent" if entry.detail["device"] else "sent, and the token leads to no phone"


def _on_the_phone(entry: Entry) -> str | None:
    """What a phone made of it; None for an entry that is about something else."""
    sentence = _PHONE.get(entry.what) if entry.where == "phone" else None
    return None if sentence is None else sentence(entry)


def _because(word: str) -> Callable[[Entry], str]:
    def sentence(entry: Entry) -> str:
        why = explain(entry)
        return f"{word}: {why.short if why else entry.detail.get('why', '')}"

    return sentence


def _quoted(entry: Entry) -> str:
    return f'"{entry.detail.get("title") or entry.detail.get("body") or ""}"'


def _card(word: str) -> Callable[[Entry], str]:
    """A card is called by its session's title and status where the app's content has them, else by its id."""

    def sentence(entry: Entry) -> str:
        state = entry.detail.get("contentState") or {}
        title = state.get("sessionTitle")
        named = f'"{title}" {state.get("status", "")}' if title else entry.detail.get("activity", "")
        return f"{word} {named}".rstrip()

    return sentence


_PHONE: Final[dict[str, Callable[[Entry], str]]] = {
    "shown": lambda entry: f"shown {_quoted(entry)}",
    "replaced": lambda entry: f"shown {_quoted(entry)} in the place of an older one",
    "woken": lambda _: "woke the app",
    "reloaded": lambda _: "reloaded the widgets",
    "dropped": _because("dropped"),
    "deferred": _because("waits"),
    "started": _card("card started"),
    "updated": lambda entry: _badge(entry) or _card("card updated")(entry),
    "ended": _card("card ended"),
}


def _badge(entry: Entry) -> str | None:
    return f"set the badge to {entry.detail['badge']}" if "badge" in entry.detail else None


class Lines:
    """Makes lines of a journal's entries as they come; `flush` when what belongs to a push is complete."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._held: list[Entry] = []

    def take(self, entry: Entry) -> None:
        """One more entry."""
        if begins_a_line(entry) or not self._held:
            self.flush()
        if begins_a_line(entry):
            self._held = [entry]
        elif self._held:
            self._held.append(entry)
        else:
            self._print([entry])

    def flush(self) -> None:
        """The push that is under way has all its entries."""
        held, self._held = self._held, []
        if held:
            self._print(held)

    def _print(self, entries: Sequence[Entry]) -> None:
        text = line(entries)
        if text is not None:
            self._show(text)
