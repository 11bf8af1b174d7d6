"""The page of the control server: its files, and the headers that keep it to itself."""

from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).parents[1] / "page"
MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Only what this server serves: no script or style in the markup, no other host, no frame."""

HEADERS: Final = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
"""Of the page and its parts."""
GUARDS: Final = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
"""Of every reply."""


class Part(NamedTuple):
    """A file of the page."""

    content: bytes
    media_type: str


@cache
def _parts() -> dict[str, Part]:
    """All files of the folder by name, read once: nothing that a path says ever reaches the file system."""
    return {
        path.name: Part(path.read_bytes(), MEDIA_TYPES[path.suffix])
        for path in FOLDER.iterdir()
        if path.suffix in MEDIA_TYPES
    }


def part(name: str) -> Part | None:
    """The file of this name; None if the page has none."""
    return _parts().get(name)
