"""How a running world looks in a terminal: the phone's screen beside what happens where. Pure."""

import time
from collections.abc import Callable, Sequence

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.text import Text

from simulator.journal import Entry
from simulator.opencode.script import Json
from simulator.phone.screen import Screen

PHONE_WIDTH = 46
COLOURS = {"opencode": "cyan", "bridge": "magenta", "relay": "yellow", "apns": "blue", "phone": "green"}
NAMES = {"opencode": "OpenCode", "bridge": "bridge", "relay": "relay", "apns": "APNs", "phone": "iPhone"}

SENTENCES: dict[tuple[str, str], Callable[[Json], str]] = {
    ("opencode", "event"): lambda d: f"{d['type']} {_short(d['sessionID'])}",
    ("opencode", "cut"): lambda _: "the server is killed",
    ("opencode", "started"): lambda d: f"serves {d['url']}",
    ("bridge", "delivered"): lambda d: f"reported: {d.get('eventType', '')} {_short(d.get('sessionID', ''))}",
    ("bridge", "retry"): lambda d: f"relay not reached, again in {d.get('delay', '?')} s",
    ("bridge", "connected"): lambda d: f"watches OpenCode {d.get('version', '')}",
    ("relay", "register"): lambda d: f"phone {d['token']} registered",
    ("relay", "event"): lambda d: f"{d['eventType']} for {d['deliveries']} phone(s)",
    ("relay", "delivery"): lambda d: f"{d['status']} {d['apnsID'][:8]} in {d['latencyMs']} ms",
    ("apns", "push"): lambda d: f"{d['status']} {d['reason'] or ''} {d['push_type']} …{d['token']}",
    ("phone", "shown"): lambda d: f"shows “{d['title']}”",
    ("phone", "replaced"): lambda d: f"shows “{d['title']}” again",
    ("phone", "dropped"): lambda d: f"drops a push: {d['why']}",
    ("phone", "started"): lambda d: f"card {_card(d)} starts, {d['why']}",
    ("phone", "updated"): lambda d: f"card {_card(d)}",
    ("phone", "ended"): lambda d: f"card {_card(d)} ends",
    ("phone", "deferred"): lambda d: f"card waits: {d['why']}",
    ("phone", "stale"): lambda _: "card is stale",
    ("phone", "dismissed"): lambda d: f"card leaves the screen: {d['why']}",
    ("phone", "activity register"): lambda d: f"registers the card's token: {d['outcome']}",
}
"""The entries worth a line, and the line. What is not here is noise on a screen; the journal has it all."""


def timeline_line(entry: Entry) -> Text | None:
    """One line of the timeline, None for an entry that is not shown."""
    sentence = SENTENCES.get((entry.where, entry.what))
    if sentence is None:
        return None
    clock = time.strftime("%H:%M:%S", time.localtime(entry.at)) + f".{int(entry.at * 10) % 10}"
    text = Text(f"{clock}  ", style="dim", no_wrap=True, overflow="ellipsis")
    text.append(f"{NAMES[entry.where]:<9}", style=COLOURS[entry.where])
    return text.append(sentence(entry.detail), style="default")


def world_view(
    *, screen: Screen, entries: Sequence[Entry], playing: str, now: float, width: int, height: int
) -> RenderableType:
    """The phone on the left, the timeline on the right, what plays below; in `width` columns and `height` rows."""
    rows = height - 3
    halves = Layout()
    if width < 2 * PHONE_WIDTH:
        halves.split_column(Layout(_timeline(entries, rows // 2 - 2)), Layout(_phone(screen, now, rows // 2)))
    else:
        phone = Layout(_phone(screen, now, rows), size=PHONE_WIDTH)
        halves.split_row(phone, Layout(_timeline(entries, rows - 2)))
    footer = Text(f" {playing}   Ctrl-C stops", style="bold reverse", no_wrap=True, overflow="ellipsis")
    whole = Layout()
    whole.split_column(halves, Layout(footer, size=1))
    return whole


def _phone(screen: Screen, now: float, rows: int) -> Panel:
    clock = Text(time.strftime("%H:%M", time.localtime(now)), style="bold", justify="center")
    lines = screen.lines(now, PHONE_WIDTH - 4)[: max(1, rows - 3)]
    return Panel(
        Group(clock, Text(""), *(Text(line) for line in lines)), title="iPhone", border_style="green"
    )


def _timeline(entries: Sequence[Entry], rows: int) -> Panel:
    """Newest last. Lines of other processes arrive late, so they are put where they belong."""
    newest = sorted(entries, key=lambda entry: entry.at)[-max(1, rows) :]
    timeline = [line for entry in newest if (line := timeline_line(entry))]
    return Panel(Group(*timeline), title="What happens", border_style="dim")


def _card(detail: Json) -> str:
    """What a card says: its session's title, the status, and the retry or the newest text."""
    state = detail.get("contentState") or {}
    text = state.get("retryInfo") or state.get("lastMessage") or ""
    return f"“{state.get('sessionTitle', '')}” {state.get('status', '?')}: {text}"


def _short(identifier: str) -> str:
    return f"{identifier[:4]}…{identifier[-4:]}" if len(identifier) > 12 else identifier
