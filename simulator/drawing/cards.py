"""The cards on the lock screen: a Live Activity's banner, and a notification. No I/O."""

from simulator.drawing import colours, marks, svg, typeface
from simulator.phone.notifications import Notification
from simulator.phone.screen import Slots

PADDING = 14.0
ICON = 34.0
MESSAGE_LINES = 2

UNREADABLE = "The app's widget can read nothing of this."


def activity_card(slots: Slots, width: float) -> svg.Block:
    """The banner: title, status, the newest text, and when the next try is. Paler once it is stale."""
    title, word, *texts = slots.banner or ("OpenCode", "", UNREADABLE)
    left, room = PADDING + ICON + 10, width - 2 * PADDING - ICON - 10
    badge = _badge(slots, word)
    lines = [line for text in texts for line in typeface.wrapped(text, room, 12.5, MESSAGE_LINES)]
    height = max(PADDING + ICON + PADDING, 42 + 17 * len(lines))
    heading = typeface.shortened(title or "OpenCode", room - badge.width - 8, 14, bold=True)
    drawing = [
        svg.rectangle(width, height, 20, fill=colours.BLACK, fill_opacity=0.62),
        _icon(slots).at(PADDING, (height - ICON) / 2),
        svg.text(left, 26, heading, size=14, fill=colours.WHITE, font_weight=600),
        badge.at(width - PADDING - badge.width, 12) if word else "",
        *(
            svg.text(left, 46 + 17 * number, line, size=12.5, fill=colours.FAINT)
            for number, line in enumerate(lines)
        ),
    ]
    return svg.Block(width, height, svg.element("g", *drawing, opacity=0.6 if _is_stale(slots) else None))


def _icon(slots: Slots) -> svg.Block:
    """The app's icon with the sign of the status in its corner."""
    colour = marks.colour(slots)
    sign = marks.mark(slots, colours.BLACK)
    drawing = [
        app_icon(ICON).drawing,
        svg.element("circle", cx=ICON, cy=ICON, r=9.5, fill=colours.BLACK),
        svg.element("circle", cx=ICON, cy=ICON, r=8, fill=colour),
        svg.element("g", sign.drawing, transform=f"translate({ICON - 4.5} {ICON - 4.5}) scale(0.75)"),
    ]
    return svg.Block(ICON, ICON, "".join(drawing))


def app_icon(size: float) -> svg.Block:
    """The app's icon: the two letters it also shows in the Dynamic Island."""
    letters = svg.text(
        size / 2,
        size * 0.64,
        "OC",
        size=size * 0.4,
        fill=colours.BLACK,
        font_weight=700,
        text_anchor="middle",
    )
    return svg.Block(size, size, svg.rectangle(size, size, size * 0.24, fill=colours.WHITE) + letters)


def _badge(slots: Slots, word: str) -> svg.Block:
    width = typeface.width(word, 11, bold=True) + 16
    colour = marks.colour(slots)
    label = svg.text(width / 2, 13.5, word, size=11, fill=colour, font_weight=600, text_anchor="middle")
    return svg.Block(width, 20, svg.rectangle(width, 19, 9.5, fill=colour, fill_opacity=0.22) + label)


def _is_stale(slots: Slots) -> bool:
    """The app's widget says so by a question mark."""
    return slots.compact_trailing.endswith("?")


ALERT_PADDING = 12.0
ALERT_ICON = 32.0
BODY_LINES = 3

LEVELS = {"time-sensitive": "TIME SENSITIVE", "critical": "CRITICAL"}
"""What iOS writes above the title, by the interruption-level."""


def notification_card(notification: Notification, now: float, width: float) -> svg.Block:
    """Title, age and text; above them the level, if it is one that breaks through Focus."""
    left, room = ALERT_PADDING + ALERT_ICON + 10, width - 2 * ALERT_PADDING - ALERT_ICON - 10
    level = LEVELS.get(notification.interruption_level)
    when = notification.age(now)
    title_room = room - typeface.width(when, 11) - 10
    lines = [
        line
        for text in (notification.subtitle, notification.body)
        for line in typeface.wrapped(text, room, 12.5, BODY_LINES)
    ]
    top = 38 if level else 24
    height = max(ALERT_PADDING + ALERT_ICON + ALERT_PADDING, top + 17 * len(lines) + 12)
    title = typeface.shortened(notification.title or "Control", title_room, 13.5, bold=True)
    drawing = [
        svg.rectangle(width, height, 20, fill=colours.WHITE, fill_opacity=0.2),
        app_icon(ALERT_ICON).at(ALERT_PADDING, (height - ALERT_ICON) / 2),
        svg.text(left, 20, level, size=9, fill=colours.YELLOW, font_weight=700, letter_spacing=0.6) if level else "",
        svg.text(left, top, title, size=13.5, fill=colours.WHITE, font_weight=600),
        svg.text(width - ALERT_PADDING, top, when, size=11, fill=colours.FAINT, text_anchor="end"),
        *(
            svg.text(left, top + 17 * number, line, size=12.5, fill=colours.WHITE)
            for number, line in enumerate(lines, 1)
        ),
    ]  # fmt: skip
    return svg.Block(width, height, "".join(drawing))
