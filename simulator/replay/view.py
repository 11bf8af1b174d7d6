"""How a running world looks in a terminal: the phone's screen beside one plain line for each event. Pure."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.panel import Panel
from rich.text import Text

from simulator.journal import Entry
from simulator.lab.lines import printable
from simulator.lab.why import explain
from simulator.opencode.script import Json
from simulator.output import in_letters_of
from simulator.phone.screen import STATUS, Screen

PHONE_WIDTH = 46
NARROWEST_PHONE = 34
NARROWEST_TEXT = 20
SIDE_BY_SIDE = 76
"""Columns from which on the phone stands beside the events, else above them."""
WIDE = 100
"""Columns from which on the times beside the phone have seconds."""
SMALLEST = (44, 14)
"""Columns and rows; a smaller terminal gets plain lines."""
COLOURS = {"opencode": "cyan", "bridge": "magenta", "relay": "yellow", "apns": "blue", "phone": "green"}
NAMES = {"opencode": "OpenCode", "bridge": "bridge", "relay": "relay", "apns": "APNs", "phone": "iPhone"}

Sentence = Callable[[Json], str | None]

OPENCODE: dict[str, str] = {
    "permission.asked": "asks for permission",
    "permission.replied": "has the answer",
    "permission.v2.asked": "asks for permission",
    "permission.v2.replied": "has the answer",
    "question.asked": "asks a question",
    "question.replied": "has the answer",
    "question.rejected": "has no answer: the question was dismissed",
    "form.created": "asks a question",
    "form.replied": "has the answer",
    "form.cancelled": "has no answer: the question was dismissed",
    "session.error": "has met an error, or was stopped",
    "session.idle": "is done",
    "session.execution.started": "works",
    "session.execution.succeeded": "is done",
    "session.execution.failed": "has failed",
    "session.execution.interrupted": "was stopped",
}
"""OpenCode's events of either generation that a person would speak of."""

SENTENCES: dict[tuple[str, str], Sentence] = {
    ("opencode", "event"): lambda d: None if _is_of_a_subagent(d) else OPENCODE.get(d["type"]),
    ("opencode", "cut"): lambda _: "is killed",
    ("bridge", "started"): lambda d: _started(d),
    ("bridge", "connected"): lambda d: f"follows OpenCode {d.get('version', '')}".rstrip(),
    ("bridge", "waiting"): lambda d: f"waits for OpenCode: {d.get('reason', '')}",
    ("bridge", "lost"): lambda _: "has lost OpenCode",
    ("bridge", "back"): lambda _: "has found OpenCode again",
    ("bridge", "retry"): lambda d: f"cannot reach the relay, tries again in {d.get('delay', '?')} s",
    ("relay", "register"): lambda _: "knows the phone",
    ("apns", "push"): lambda d: _refused(d),
    ("apns", "delivery"): lambda d: _not_sent(d),
    ("phone", "shown"): lambda d: f"rang: {_alert(d)}",
    ("phone", "replaced"): lambda d: f"shows instead: {_alert(d)}",
    ("phone", "dropped"): lambda d: f"dropped a push: {_why('phone', 'dropped', d)}",
    ("phone", "started"): lambda d: f"card: {_card(d)}",
    ("phone", "updated"): lambda d: f"card: {_card(d)}" if d.get("contentState") else None,
    ("phone", "ended"): lambda d: f"card ends: {_card(d)}",
    ("phone", "stale"): lambda _: "a card is stale: nothing came for it",
    ("phone", "tapped"): lambda d: f"was tapped, and opens {d.get('url') or 'the app'}",
}
"""The entries that a person wants to see, one line for each. What is not here the page shows, and the journal has."""

HOPS: dict[tuple[str, str], Sentence] = {
    ("opencode", "event"): lambda d: f"{d['type']} {_short(d.get('sessionID') or '')}",
    ("opencode", "started"): lambda d: f"serves {d['url']}",
    ("bridge", "delivered"): lambda d: f"reports {d.get('eventType', '')} {_short(d.get('sessionID', ''))}",
    ("relay", "event"): lambda d: f"has {d['eventType']}, and pushes to {d['deliveries']} phone(s)",
    ("relay", "delivery"): lambda d: f"sent {d['apnsID'][:8]}: {d['status']} in {d['latencyMs']} ms",
    ("apns", "push"): lambda d: f"{d['status']} {d['reason'] or ''} {d['push_type']} ...{d['token']}",
    ("phone", "deferred"): lambda d: f"card waits: {_why('phone', 'deferred', d)}",
    ("phone", "dismissed"): lambda d: f"card leaves the screen: {d['why']}",
    ("phone", "activity register"): lambda d: f"registers the card's token: {d['outcome']}",
}
"""With --verbose: every hop from OpenCode's event to the screen."""


def timeline_line(entry: Entry, *, every_hop: bool = False, seconds: bool = True) -> Text | None:
    """One line of the timeline, None for an entry that is not shown."""
    key = (entry.where, entry.what)
    sentence = (HOPS.get(key) if every_hop else None) or SENTENCES.get(key)
    said = None if sentence is None else sentence(entry.detail)
    if said is None:
        return None
    clock = time.strftime("%H:%M:%S" if seconds else "%H:%M", time.localtime(entry.at))
    text = Text(f"{clock} ", style="dim", no_wrap=True, overflow="ellipsis")
    text.append(f"{NAMES[entry.where]:<9}", style=COLOURS[entry.where])
    return text.append(printable(said), style="default")


def _started(detail: Json) -> str:
    """Generation 1 can be opened at its URL; of generation 2 that was not seen."""
    url = f"http://127.0.0.1:{detail.get('port', '')}"
    return f"has started OpenCode at {url}" + (
        f": opencode attach {url}" if detail.get("generation") == "1" else ""
    )


def _is_of_a_subagent(detail: Json) -> bool:
    """Whether a subagent has begun or ended; what it asks concerns the person."""
    inside = detail.get("root") not in (None, detail.get("sessionID"))
    return inside and detail["type"].startswith("session.")


def _alert(detail: Json) -> str:
    return ": ".join(text for text in (detail.get("title"), detail.get("body")) if text)


def _card(detail: Json) -> str:
    """What a card says: its session's title, the status in words, and the retry or the newest text."""
    state = detail.get("contentState") or {}
    word, _ = STATUS.get(state.get("status", ""), ("", ""))
    text = state.get("retryInfo") or state.get("lastMessage") or ""
    return ", ".join(one for one in (state.get("sessionTitle") or "a session", word, text) if one)


def _refused(detail: Json) -> str | None:
    """Nothing for what APNs took: the phone says the rest."""
    if detail.get("status") == 200:
        return None
    answer = f"{detail['status']} {detail.get('reason') or ''}" if detail.get("status") else "no answer"
    why = _why("apns", "push", detail)
    return f"refuses a push: {answer.strip()}" + (f", {why}" if why else "")


def _not_sent(detail: Json) -> str | None:
    if detail.get("outcome") == "sent":
        return None
    word = "" if detail.get("outcome") == "stored" else f"{detail.get('outcome')}: "
    return f"a push is {word}{_why('apns', 'delivery', detail)}"


def _why(where: str, what: str, detail: Json) -> str:
    found = explain(Entry(0.0, where, what, detail))
    return str(detail.get("why") or "") if found is None else found.short


def _short(identifier: str) -> str:
    return f"{identifier[:4]}...{identifier[-4:]}" if len(identifier) > 12 else identifier


# --- the picture --------------------------------------------------------------------------------------------------


def is_too_small(width: int, height: int) -> bool:
    """Whether a terminal has no room for the picture."""
    return width < SMALLEST[0] or height < SMALLEST[1]


def world_view(
    *,
    screen: Screen,
    entries: Sequence[Entry],
    playing: str,
    footer: str,
    now: float,
    width: int,
    height: int,
    encoding: str = "utf-8",
    every_hop: bool = False,
) -> RenderableType:
    """The phone beside the lines of the newest `entries`, or above them, and below what plays; in `width` columns and `height` rows."""
    rows = height - 2
    seconds = width < SIDE_BY_SIDE or width >= WIDE
    found = (timeline_line(entry, every_hop=every_hop, seconds=seconds) for entry in entries[-rows:])
    lines = [line for line in found if line is not None]
    halves = Layout()
    if width < SIDE_BY_SIDE:
        above = (rows + 1) // 2
        halves.split_column(
            Layout(_phone(screen, now, width, above, encoding), size=above),
            Layout(_events(lines, rows - above, encoding)),
        )
    else:
        beside = min(PHONE_WIDTH, max(NARROWEST_PHONE, width * 45 // 100))
        halves.split_row(
            Layout(_phone(screen, now, beside, rows, encoding), size=beside),
            Layout(_events(lines, rows, encoding)),
        )
    whole = Layout()
    whole.split_column(
        halves, Layout(_bar(playing, encoding), size=1), Layout(_bar(footer, encoding), size=1)
    )
    return _OfHeight(whole, height)


@dataclass(frozen=True, slots=True)
class _OfHeight:
    """A layout takes the whole terminal otherwise."""

    layout: Layout
    height: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from console.render(self.layout, options.update(height=self.height))


def _bar(text: str, encoding: str) -> Text:
    return Text(in_letters_of(encoding, f" {text}"), style="bold reverse", no_wrap=True, overflow="crop")


def _phone(screen: Screen, now: float, width: int, rows: int, encoding: str) -> Panel:
    clock = Text(time.strftime("%H:%M", time.localtime(now)), style="bold", justify="center")
    cards, alerts = screen.blocks(now, max(NARROWEST_TEXT, width - 4))
    shown = fitting(cards, alerts, rows - 3) or [["No notifications"]]
    lines = [line for block in shown for line in (*block, "")][:-1]
    texts = [
        Text(in_letters_of(encoding, line), no_wrap=True, overflow="crop")
        for line in lines[: max(1, rows - 3)]
    ]
    return Panel(Group(clock, *texts), title="iPhone", border_style="green", height=rows)


def fitting(cards: Sequence[list[str]], alerts: Sequence[list[str]], rows: int) -> list[list[str]]:
    """The blocks that a lock screen of `rows` lines has room for, an empty line between two: the newest alert always."""
    left = rows - (len(alerts[0]) + 1 if alerts else 0)
    kept_cards, left = _kept(cards, left)
    kept_alerts, _ = _kept(alerts[1:], left)
    return [*kept_cards, *alerts[:1], *kept_alerts]


def _kept(blocks: Sequence[list[str]], rows: int) -> tuple[list[list[str]], int]:
    kept: list[list[str]] = []
    for block in blocks:
        if len(block) > rows:
            break
        kept.append(block)
        rows -= len(block) + 1
    return kept, rows


def _events(lines: Sequence[Text], rows: int, encoding: str) -> Panel:
    """Newest last."""
    shown = [_lettered(line, encoding) for line in lines[-max(1, rows - 2) :]]
    return Panel(Group(*shown), title="What happens", border_style="dim", height=rows)


def _lettered(line: Text, encoding: str) -> Text:
    if encoding.lower().startswith("utf"):
        return line
    return Text(in_letters_of(encoding, line.plain), no_wrap=True, overflow="crop")
