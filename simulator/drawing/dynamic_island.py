"""The Dynamic Island: what it shows of the Live Activities, small and when pressed. No I/O."""

from collections.abc import Sequence

from simulator.drawing import colours, marks, svg, typeface
from simulator.phone.screen import Slots

WIDTH = 340.0
CAMERA = 84.0
"""Where no pixel is, between leading and trailing."""
HIGH = 36.0


def dynamic_island(activities: Sequence[Slots]) -> str:
    """Compact and expanded for the first activity, which owns the island; minimal for the first two, if there are two.

    Apple (Human Interface Guidelines, Live Activities): one alone is compact; of several, one is attached to the camera
    and another detached, both minimal; touching and holding expands.
    """
    owner = next(iter(activities), None)
    if owner is None:
        rows = [_row("no Live Activity", _empty())]
    else:
        small = (
            _row("minimal", _minimal(activities[:2])) if activities[1:] else _row("compact", _compact(owner))
        )
        rows = [small, _row("expanded", _expanded(owner))]
    inside = svg.stacked(rows, 14)
    ground = svg.rectangle(WIDTH, inside.height + 28, 24, fill="#3b2f63")
    whole = svg.Block(WIDTH, inside.height + 28, ground + inside.at(0, 14))
    return svg.picture(whole, f"Dynamic Island: {len(activities)} Live Activities")


def _row(name: str, block: svg.Block) -> svg.Block:
    """A presentation with its name below."""
    label = svg.text(WIDTH / 2, block.height + 15, name, size=10.5, fill=colours.FAINT, text_anchor="middle")
    return svg.Block(WIDTH, block.height + 18, block.at((WIDTH - block.width) / 2, 0) + label)


def _empty() -> svg.Block:
    return svg.Block(CAMERA + 28, HIGH, svg.rectangle(CAMERA + 28, HIGH, HIGH / 2, fill=colours.BLACK))


def _compact(slots: Slots) -> svg.Block:
    leading, trailing = slots.compact_leading, slots.compact_trailing
    side = max(typeface.width(text, 13, bold=True) for text in (leading, trailing)) + 16
    width = CAMERA + 2 * side
    drawing = [
        svg.rectangle(width, HIGH, HIGH / 2, fill=colours.BLACK),
        svg.text(14, 23, leading, size=13, fill=colours.WHITE, font_weight=700),
        svg.text(width - 14, 23, trailing, size=13, fill=marks.colour(slots), font_weight=600, text_anchor="end"),
    ]  # fmt: skip
    return svg.Block(width, HIGH, "".join(drawing))


def _minimal(several: Sequence[Slots]) -> svg.Block:
    """One attached to the camera, the other by itself."""
    attached, detached = several
    wide = CAMERA + 40
    drawing = [
        svg.rectangle(wide, HIGH, HIGH / 2, fill=colours.BLACK),
        marks.mark(attached, marks.colour(attached)).at(16, 12),
        svg.element("circle", cx=wide + 8 + HIGH / 2, cy=HIGH / 2, r=HIGH / 2, fill=colours.BLACK),
        marks.mark(detached, marks.colour(detached)).at(wide + 8 + 12, 12),
    ]
    return svg.Block(wide + 8 + HIGH, HIGH, "".join(drawing))


def _expanded(slots: Slots) -> svg.Block:
    width, left = WIDTH - 28, 24.0
    title, word = slots.expanded_leading or ("OpenCode", "")
    room = width - 2 * left
    bottom = [line for text in slots.expanded_bottom for line in typeface.wrapped(text, room, 12.5, 2)]
    height = 84 + 17 * len(bottom)
    heading = typeface.shortened(title or "OpenCode", room - 60, 14, bold=True)
    drawing = [
        svg.rectangle(width, height, 40, fill=colours.BLACK),
        svg.text(left, 46, heading, size=14, fill=colours.WHITE, font_weight=600),
        marks.mark(slots, marks.colour(slots)).at(left, 54),
        svg.text(left + 18, 65, word, size=12.5, fill=marks.colour(slots), font_weight=600),
        svg.text(width - left, 46, slots.expanded_trailing, size=14, fill=colours.ORANGE, text_anchor="end"),
        *(
            svg.text(left, 86 + 17 * number, line, size=12.5, fill=colours.FAINT)
            for number, line in enumerate(bottom)
        ),
    ]
    return svg.Block(width, height, "".join(drawing))
