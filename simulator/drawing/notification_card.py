"""One notification on the lock screen. No I/O."""

from simulator.drawing import colours, svg, typeface
from simulator.drawing.activity_card import app_icon
from simulator.phone.notifications import Notification

PADDING = 12.0
ICON = 32.0
BODY_LINES = 3

LEVELS = {"time-sensitive": "TIME SENSITIVE", "critical": "CRITICAL"}
"""What iOS writes above the title, by the interruption-level."""


def notification_card(notification: Notification, now: float, width: float) -> svg.Block:
    """Title, age and text; above them the level, if it is one that breaks through Focus."""
    left, room = PADDING + ICON + 10, width - 2 * PADDING - ICON - 10
    level = LEVELS.get(notification.interruption_level)
    when = notification.age(now)
    title_room = room - typeface.width(when, 11) - 10
    lines = [
        line
        for text in (notification.subtitle, notification.body)
        for line in typeface.wrapped(text, room, 12.5, BODY_LINES)
    ]
    top = 38 if level else 24
    height = max(PADDING + ICON + PADDING, top + 17 * len(lines) + 12)
    title = typeface.shortened(notification.title or "Control", title_room, 13.5, bold=True)
    drawing = [
        svg.rectangle(width, height, 20, fill=colours.WHITE, fill_opacity=0.2),
        app_icon(ICON).at(PADDING, (height - ICON) / 2),
        svg.text(left, 20, level, size=9, fill=colours.YELLOW, font_weight=700, letter_spacing=0.6) if level else "",
        svg.text(left, top, title, size=13.5, fill=colours.WHITE, font_weight=600),
        svg.text(width - PADDING, top, when, size=11, fill=colours.FAINT, text_anchor="end"),
        *(
            svg.text(left, top + 17 * number, line, size=12.5, fill=colours.WHITE)
            for number, line in enumerate(lines, 1)
        ),
    ]  # fmt: skip
    return svg.Block(width, height, "".join(drawing))
