"""A sequence diagram: one column for each part, time runs down. No I/O."""

from collections.abc import Sequence
from datetime import UTC, datetime

from simulator.drawing import colours, svg, typeface
from simulator.drawing.messages import Message

PARTS = {"opencode": "OpenCode", "bridge": "bridge", "relay": "relay", "apns": "APNs"}
"""The columns in their order, with the words above them; phones come after them, each by its name."""

COLUMN, TIMES, TOP, FOOT = 176.0, 74.0, 58.0, 14.0
LINE, GAP, SIZE = 15.0, 13.0, 11.5
TEXT_LINES = 2


def sequence_diagram(messages: Sequence[Message], title: str = "Who sent what", *, times: bool = True) -> str:
    """The messages from top to bottom, in the order given; only parts that take part have a column.

    With `times` each row has the time in UTC where it is not that of the row before.
    """
    columns = _columns(messages)
    rows = [_row(message, columns) for message in messages]
    labels = _times(messages) if times else [""] * len(messages)
    width = TIMES + COLUMN * max(1, len(columns))
    placed, y = [], TOP
    for row, label in zip(rows, labels, strict=True):
        placed += [row.at(0, y), _time(label, y + row.height - 3)]
        y += row.height + GAP
    height = y + FOOT
    ground = svg.rectangle(width, height, 10, fill=colours.PAPER)
    heads = [_head(name, x, height) for name, x in columns.items()]
    return svg.picture(svg.Block(width, height, "".join([ground, *heads, *placed])), title)


def _columns(messages: Sequence[Message]) -> dict[str, float]:
    """The middle of each column, by the name of the part."""
    present = {name for message in messages for name in (message.sender, message.receiver)}
    order = [name for name in PARTS if name in present] + sorted(present - PARTS.keys())
    return {name: TIMES + COLUMN * (number + 0.5) for number, name in enumerate(order)}


def _times(messages: Sequence[Message]) -> list[str]:
    """The time of each row, "" where it is that of the row before."""
    written = [f"{datetime.fromtimestamp(message.at, UTC):%H:%M:%S}" for message in messages]
    return [time if time != before else "" for time, before in zip(written, ["", *written], strict=False)]


def _time(label: str, y: float) -> str:
    return svg.text(12, y, label, size=10.5, fill=colours.PALE_INK) if label else ""


def _head(name: str, x: float, height: float) -> str:
    """The name of a column and its life line."""
    colour = colours.PARTS.get(name, colours.PARTS["phone"])
    label = PARTS.get(name, name)
    return "".join(
        (
            svg.element(
                "line", x1=x, y1=42, x2=x, y2=height - 8, stroke=colours.LINE, stroke_width=1.5, stroke_dasharray="4 4"
            ),
            svg.rectangle(116, 28, 8, x=x - 58, y=14, fill=colour),
            svg.text(
                x, 33, typeface.shortened(label, 104, 13, bold=True),
                size=13, fill=colours.WHITE, font_weight=600, text_anchor="middle",
            ),
        )
    )  # fmt: skip


def _row(message: Message, columns: dict[str, float]) -> svg.Block:
    start, end = columns[message.sender], columns[message.receiver]
    return _note(message, start) if start == end else _arrow(message, start, end)


def _note(message: Message, x: float) -> svg.Block:
    """What happened at one part, in a box on its line."""
    lines = typeface.wrapped(message.text, COLUMN - 30, SIZE, TEXT_LINES)
    width = max(typeface.width(line, SIZE) for line in lines) + 18
    height = LINE * len(lines) + 8
    colour = _colour(message)
    box = svg.rectangle(width, height, 7, x=x - width / 2, y=0, fill="#f6f8fa", stroke=colour, stroke_width=1)
    return svg.Block(COLUMN, height, box + _lines(lines, x, LINE, colours.INK))


def _arrow(message: Message, start: float, end: float) -> svg.Block:
    """A message with its text above; the text has a ground of its own where lines of other parts cross it."""
    room = abs(end - start) - 22
    lines = typeface.wrapped(message.text, room, SIZE, TEXT_LINES)
    y = LINE * len(lines) + 5
    colour, forth = _colour(message), 1 if end > start else -1
    middle, tip = (start + end) / 2, end - forth * 2
    width = max(typeface.width(line, SIZE) for line in lines) + 6
    drawing = [
        svg.rectangle(width, LINE * len(lines) + 1, 3, x=middle - width / 2, y=0, fill=colours.PAPER),
        _lines(lines, middle, 11.5, colours.REFUSED if message.refused else colours.INK),
        svg.element(
            "line", x1=start, y1=y, x2=tip - forth * 6, y2=y, stroke=colour, stroke_width=1.6,
            stroke_dasharray="5 3" if message.refused else None,
        ),
        svg.element("path", d=_head_of_arrow(tip, y, forth), fill=colour),
    ]  # fmt: skip
    return svg.Block(COLUMN, y + 4, "".join(drawing))


def _head_of_arrow(x: float, y: float, forth: int) -> str:
    back = x - forth * 8
    return f"M{svg.number(x)} {svg.number(y)}L{svg.number(back)} {svg.number(y - 4)}V{svg.number(y + 4)}Z"


def _lines(lines: Sequence[str], x: float, first: float, colour: str) -> str:
    return "".join(
        svg.text(x, first + LINE * number, line, size=SIZE, fill=colour, text_anchor="middle")
        for number, line in enumerate(lines)
    )


def _colour(message: Message) -> str:
    if message.refused:
        return colours.REFUSED
    return colours.PARTS.get(message.sender, colours.PARTS["phone"])
