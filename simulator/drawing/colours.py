"""The colours of all pictures. No I/O.

Those of the states are Apple's system colours for dark backgrounds, the blue in its accessible form (Human Interface
Guidelines, Color).
"""

BLUE, ORANGE, YELLOW, GREEN, RED, GREY = "#409cff", "#ff9f0a", "#ffd60a", "#30d158", "#ff453a", "#8e8e93"

STATUS = {"working": BLUE, "retry": ORANGE, "permission": YELLOW, "complete": GREEN, "error": RED}
"""By the status of a content-state."""

BLACK, WHITE = "#000000", "#ffffff"
FAINT = "#c7c7cc"
"""Text of less weight, on dark."""

INK, PALE_INK, LINE, PAPER = "#1f2328", "#656d76", "#d0d7de", "#ffffff"
"""A diagram: its text, lines, and ground."""
REFUSED = "#cf222e"
"""An answer other than 200, in a diagram."""

PARTS = {
    "opencode": "#0e7490",
    "bridge": "#9333ea",
    "relay": "#b45309",
    "apns": "#1d4ed8",
    "phone": "#15803d",
}
"""By the journal's name of a part."""
