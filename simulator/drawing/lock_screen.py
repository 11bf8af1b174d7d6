"""The phone's lock screen: the time, the Live Activities, and below them the notifications. No I/O."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from simulator.drawing import colours, svg
from simulator.drawing.cards import activity_card, notification_card
from simulator.phone.notifications import Notification
from simulator.phone.screen import Slots

WIDTH, HEIGHT = 340.0, 600.0
BEZEL, MARGIN, GAP = 9.0, 16.0, 8.0
TOP = 186.0
"""Where the cards begin, below the time."""
ROOM = HEIGHT - TOP - 60
CARD_WIDTH = WIDTH - 2 * (BEZEL + MARGIN)

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("January", "February", "March", "April", "May", "June",
          "July", "August", "September", "October", "November", "December")  # fmt: skip


def lock_screen(
    notifications: Sequence[Notification],
    activities: Sequence[Slots],
    now: float,
    name: str = "iPhone",
    zone: tzinfo = UTC,
) -> str:
    """What a person sees at `now` (UNIX seconds, shown in `zone`): activities as given, notifications newest first.

    What has no place on the screen is counted below.
    """
    shown = _shown(notifications, activities, now)
    more = len(activities) + len(notifications) - len(shown)
    drawing = [_body(), _time(now, zone), _column(shown, more).at(BEZEL + MARGIN, TOP)]
    title = f"{name}: {len(activities)} Live Activities, {len(notifications)} notifications"
    return svg.picture(svg.Block(WIDTH, HEIGHT, "".join(drawing)), title)


class Place(NamedTuple):
    """Where a card is drawn, in the picture's units."""

    x: float
    y: float
    width: float
    height: float


def places(notifications: Sequence[Notification], activities: Sequence[Slots], now: float) -> list[Place]:
    """Those of the cards that `lock_screen` draws, in the same order: the activities, then the notifications."""
    found: list[Place] = []
    y = TOP
    for card in _shown(notifications, activities, now):
        found.append(Place(BEZEL + MARGIN, y, card.width, card.height))
        y += card.height + GAP
    return found


def _shown(notifications: Sequence[Notification], activities: Sequence[Slots], now: float) -> list[svg.Block]:
    """As many cards from the top as there is room for; no more are drawn, however many there are."""
    found: list[svg.Block] = []
    left = ROOM
    for card in _cards(notifications, activities, now):
        left -= card.height
        if left < 0:
            break
        found.append(card)
        left -= GAP
    return found


def _cards(
    notifications: Sequence[Notification], activities: Sequence[Slots], now: float
) -> Iterator[svg.Block]:
    for slots in activities:
        yield activity_card(slots, CARD_WIDTH)
    for notification in notifications:
        yield notification_card(notification, now, CARD_WIDTH)


def _body() -> str:
    """The phone itself, its wallpaper, and the island at the top."""
    inner = {"x": BEZEL, "y": BEZEL}
    wallpaper = svg.element(
        "linearGradient",
        *(svg.element("stop", offset=at, stop_color=colour) for at, colour in WALLPAPER),
        id="wallpaper", x1=0, y1=0, x2=0.4, y2=1,
    )  # fmt: skip
    return "".join(
        (
            svg.element("defs", wallpaper),
            svg.rectangle(WIDTH, HEIGHT, 54, fill="#0b0b0d"),
            svg.rectangle(WIDTH - 2 * BEZEL, HEIGHT - 2 * BEZEL, 46, fill="url(#wallpaper)", **inner),
            svg.rectangle(96, 28, 14, x=(WIDTH - 96) / 2, y=22, fill=colours.BLACK),
            svg.rectangle(116, 4.5, 2.25, x=(WIDTH - 116) / 2, y=HEIGHT - 22, fill=colours.WHITE),
        )
    )


WALLPAPER = ((0, "#16324f"), (0.55, "#3b2f63"), (1, "#8a3b5c"))


def _time(now: float, zone: tzinfo) -> str:
    at = datetime.fromtimestamp(now, zone)
    day = f"{DAYS[at.weekday()]}, {at.day} {MONTHS[at.month - 1]}"
    middle = WIDTH / 2
    return svg.text(
        middle, 84, day, size=16, fill=colours.WHITE, font_weight=600, text_anchor="middle"
    ) + svg.text(
        middle, 154, f"{at:%H:%M}", size=74, fill=colours.WHITE, font_weight=600, text_anchor="middle"
    )


def _column(shown: Sequence[svg.Block], more: int) -> svg.Block:
    """The cards, and how many more there are."""
    notes = [_note(f"{more} more", CARD_WIDTH)] if more else []
    if not shown and not more:
        notes = [_note("No notifications", CARD_WIDTH)]
    return svg.stacked([*shown, *notes], GAP)


def _note(content: str, width: float) -> svg.Block:
    label = svg.text(width / 2, 16, content, size=12.5, fill=colours.FAINT, text_anchor="middle")
    return svg.Block(width, 20, label)
