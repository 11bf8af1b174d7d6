"""The small signs of a session's status, drawn, so that they look the same in every font. No I/O."""

from simulator.drawing import colours, svg
from simulator.phone.screen import STATUS, Slots

SIZE = 12.0

_STATUS_OF = {mark: status for status, (_, mark) in STATUS.items()}

_STROKES = {
    "retry": "M10 3.2A4.6 4.6 0 1 0 10.6 7M10.4 0.8V3.6H7.6",
    "permission": "M6 1.2V7M6 10.4V10.5",
    "complete": "M1.6 6.6L4.8 9.8L10.6 2.6",
    "error": "M2.2 2.2L9.8 9.8M9.8 2.2L2.2 9.8",
}


def status(slots: Slots) -> str | None:
    """Which status a Live Activity shows; None for one the app's widget does not know, or cannot read."""
    return _STATUS_OF.get(slots.minimal)


def colour(slots: Slots) -> str:
    """The colour of what it shows."""
    return colours.STATUS.get(status(slots) or "", colours.GREY)


def mark(slots: Slots, colour: str) -> svg.Block:
    """The sign of a status: a dot, an arrow that turns, an exclamation mark, a check or a cross."""
    strokes = _STROKES.get(status(slots) or "")
    if strokes is None:
        drawing = svg.element("circle", cx=SIZE / 2, cy=SIZE / 2, r=4.2, fill=colour)
    else:
        drawing = svg.element(
            "path", d=strokes, fill="none", stroke=colour, stroke_width=2,
            stroke_linecap="round", stroke_linejoin="round",
        )  # fmt: skip
    return svg.Block(SIZE, SIZE, drawing)
