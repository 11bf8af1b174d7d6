"""The bridge's log for a person who looks on in a terminal: one plain line for what matters, nothing for the rest. `-v` has it all."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from relay.contract import ALERT_TYPES, EVENT_KINDS
from relay.log import Line

Fields = Mapping[str, Any]


class PeopleFormatter(logging.Formatter):
    """`03:59 rang: Action Needed, Fix the login (1 phone)`, by the clock on the wall; "" for what is not said."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and for a fault in the program its traceback."""
        words = in_words(record)
        if not words:
            return ""
        text = f"{time.strftime('%H:%M', time.localtime(record.created))} {words}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def in_words(record: logging.LogRecord) -> str:
    """What the record says to a person. Pure."""
    said = record.msg
    if not isinstance(said, Line):
        return record.getMessage() if record.levelno >= logging.WARNING else ""
    words = WORDS.get(said.what)
    if words is not None:
        return words(said.fields | {"title": getattr(record, "title", None)})
    return _other(said) if record.levelno >= logging.WARNING else ""


def _other(said: Line) -> str:
    fields = said.fields
    about = [str(fields[name]) for name in ("reason", "url", "path") if fields.get(name)]
    remedy = f" -> {fields['remedy']}" if fields.get("remedy") else ""
    return f"{said.what}{': ' if about else ''}{', '.join(about)}{remedy}"


def _rang(fields: Fields) -> str:
    kind = str(fields["eventType"])
    if kind not in ALERT_TYPES:
        return ""
    sent, failed, queued = (int(fields.get(name) or 0) for name in ("sent", "failed", "queued"))
    title = title_words(kind, str(fields.get("title") or ""))
    if sent + failed + queued == 0:
        return f"nothing rang, for no phone is paired: {title}"
    counts = [f"{sent} phone{'' if sent == 1 else 's'}"]
    counts += [f"{failed} refused by APNs"] if failed else []
    counts += [f"{queued} still being tried"] if queued else []
    return (
        f"{'rang' if sent else 'not yet rung' if queued else 'did not ring'}: {title} ({', '.join(counts)})"
    )


def title_words(kind: str, title: str) -> str:
    """The kind of an alert and its session: `Action Needed, Fix the login`."""
    prefix = next((one.title_prefix for name, one in EVENT_KINDS.items() if name == kind), "")
    named = prefix.rstrip(": ") or "Done"
    session = title.removeprefix(prefix) if prefix else title
    return f"{named}, {session}" if session else named


def _retry(fields: Fields) -> str:
    if fields["attempt"] != 1 or fields["eventType"] not in ALERT_TYPES:
        return ""
    return f"the relay does not take an alert ({fields['reason']}): it is tried again until it does"


WORDS: Final[dict[str, Callable[[Fields], str]]] = {
    "delivered": _rang,
    "retry": _retry,
    "refused": lambda f: f"the relay refused an event: {f['reason']}",
    "day limit": lambda _: (
        "this OpenCode has used up its events of a day at the relay: cards move more slowly, alerts may come later"
    ),
    "dropped": lambda f: f"an event was given up: {f['reason']}",
    "undelivered": lambda f: f"an event was not sent: {f['reason']}",
    "waiting": lambda _: "",  # it stands on standard output already
    "connected": lambda f: f"follows OpenCode {f.get('version', '')} at {f['url']}",
    "disconnected": lambda _: "",  # the connection is tried again; `lost` says when it stays away
    "lost": lambda f: f"OpenCode at {f['url']} has not answered for long: the cards say so",
    "back": lambda _: "OpenCode is back",
    "elsewhere": lambda f: f"OpenCode is not at {f['before']} any more",
    "following": lambda f: f"follows {f['place']}",
    "relay away": lambda f: (
        f"the relay at {f['url']} does not answer ({f['reason']}): alerts wait here until it does"
    ),
    "relay back": lambda f: f"the relay at {f['url']} answers",
    "secret refused": lambda f: f"the relay does not take the secret: {f['reason']} -> {f['remedy']}",
    "secret taken": lambda _: "the relay takes the secret",
    "phones": lambda f: _phones(int(f["count"])),
    "paired": lambda f: f"iPhone paired ({f['count']})",
    "unpaired": lambda f: f"an iPhone is not paired any more ({f['count']} left)",
    "texts sealed": lambda _: "from now on texts are sealed: every phone has the key",
    "texts in clear": lambda f: (
        f"from now on relay and Apple can read the texts: {f['withKey']} of {f['count']} phones have the key"
    ),
    "secret replaced": lambda f: f"the relay has forgotten the old secret ({f['phones']} phones)",
    "old secret still works": lambda f: (
        f"the old secret still works, the relay at {f['url']} could not be told: {f['reason']}"
    ),
    "only this machine can reach OpenCode": lambda _: (
        "phones cannot open sessions, for only this machine reaches OpenCode; alerts need no way to it"
    ),
    "only this machine can reach the relay": lambda f: (
        f"phones cannot reach the relay at {f['url']}: on a phone that is the phone itself -> {f['remedy']}"
    ),
    "others can read the secret": lambda f: f"others can read {f['path']} -> {f['remedy']}",
    "others can read the key": lambda f: f"others can read {f['path']} -> {f['remedy']}",
    "no status page": lambda f: f"port {f['port']} cannot be used ({f['reason']}) -> {f['remedy']}",
    "listening": lambda f: f"its health: {f['url']}/health",
    "stopped": lambda _: "stopped",
}
"""By what a line says. What is not here is said from a warning on, with reason and remedy."""


def _phones(count: int) -> str:
    if not count:
        return "No iPhone is paired yet: scan the code with the app"
    return f"{count} iPhone{'' if count == 1 else 's'} paired"
