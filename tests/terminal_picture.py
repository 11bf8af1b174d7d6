"""What a terminal with this output looks like, as a picture: a cell is 8 by 16 pixels; blocks, and the colours that our texts use."""

import re

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 8, 16
FIXED = {"16": "#000000", "231": "#ffffff"}
THEMES = {"dark": ("#d0d0d0", "#1d1f21"), "light": ("#303030", "#fdf6e3")}
"""Letters and ground of a terminal."""
_PART = re.compile(r"\x1b\[([\d;]*)m|(.)", re.DOTALL)


def picture(text: str, theme: str) -> Image.Image:
    """The terminal, a few cells wider and higher than its text."""
    lines = text.splitlines()
    columns = max(len(re.sub(r"\x1b\[[\d;]*m", "", line)) for line in lines)
    image = Image.new("RGB", ((columns + 4) * WIDTH, (len(lines) + 2) * HEIGHT), THEMES[theme][1])
    draw = ImageDraw.Draw(image)
    colours = THEMES[theme]
    for row, line in enumerate(lines, 1):
        colours = _line(draw, line, row * HEIGHT, theme, colours)
    return image


def _line(
    draw: ImageDraw.ImageDraw, line: str, top: int, theme: str, colours: tuple[str, str]
) -> tuple[str, str]:
    """Draws it; returns the colours at its end, with which the next line begins."""
    letters, ground = colours
    left = 2 * WIDTH
    for sequence, letter in _PART.findall(line):
        if not letter:
            letters, ground = _colours(sequence, letters, ground, theme)
            continue
        half = top + HEIGHT // 2
        draw.rectangle((left, top, left + WIDTH - 1, top + HEIGHT - 1), fill=ground)
        if letter in "▀█":
            draw.rectangle((left, top, left + WIDTH - 1, half - 1), fill=letters)
        if letter in "▄█":
            draw.rectangle((left, half, left + WIDTH - 1, top + HEIGHT - 1), fill=letters)
        left += WIDTH
    return letters, ground


def _colours(sequence: str, letters: str, ground: str, theme: str) -> tuple[str, str]:
    if sequence in ("", "0"):
        return THEMES[theme]
    if found := re.search(r"38;5;(\d+)", sequence):
        letters = FIXED[found[1]]
    if found := re.search(r"48;5;(\d+)", sequence):
        ground = FIXED[found[1]]
    return letters, ground
