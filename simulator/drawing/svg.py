"""SVG as text: elements with everything escaped, and blocks that know how large they are. No I/O.

The same values always give the same text, so that a picture can be compared with one that was stored.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

FONT = "-apple-system, BlinkMacSystemFont, 'SF Pro Text', Inter, 'Helvetica Neue', Arial, sans-serif"

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 (section 2.2, Char) has no place for, however it is escaped."""

Value = str | float | None


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a picture with its corner at 0, 0; sizes are in the picture's units."""

    width: float
    height: float
    drawing: str

    def at(self, x: float, y: float) -> str:
        """The piece, moved there."""
        return element("g", self.drawing, transform=f"translate({number(x)} {number(y)})")


def element(name: str, *children: str, **attributes: Value) -> str:
    """`<name …>children</name>`; `font_size` is written `font-size`, and what is None is left out. Children are SVG already."""
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(_plain(value))}"
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(children)
    return f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>"


def text(x: float, y: float, content: str, *, size: float, fill: str, **attributes: Value) -> str:
    """One line of text with its baseline at y; `content` is any text at all."""
    return element("text", escape(printable(content)), x=x, y=y, font_size=size, fill=fill, **attributes)


def rectangle(width: float, height: float, radius: float, **attributes: Value) -> str:
    """A rectangle with round corners, its own corner at 0, 0 unless x and y say otherwise."""
    return element("rect", width=width, height=height, rx=radius, **attributes)


def stacked(blocks: Sequence[Block], gap: float) -> Block:
    """Blocks below one another."""
    placed, y = [], 0.0
    for block in blocks:
        placed.append(block.at(0, y))
        y += block.height + gap
    return Block(max((block.width for block in blocks), default=0), max(0.0, y - gap), "".join(placed))


def picture(block: Block, title: str) -> str:
    """The whole SVG document; `title` is what it is called by those who cannot see it."""
    width, height = number(block.width), number(block.height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' role="img" font-family="{FONT}"><title>{escape(printable(title))}</title>{block.drawing}</svg>'
    )


def number(value: float) -> str:
    """As short as it can be written, with at most two digits after the point."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def printable(content: str) -> str:
    """The text without what XML cannot hold; a lone surrogate or a control character becomes U+FFFD."""
    return _NOT_XML.sub("\ufffd", content)


def _plain(value: str | float) -> str:
    return printable(value) if isinstance(value, str) else number(value)
