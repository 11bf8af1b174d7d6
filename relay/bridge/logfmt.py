"""Log lines as key=value, readable by people and by machines alike."""

import json
import re

_BARE = re.compile(r'[^\s="\x00-\x1f\x7f]+\Z')


def line(what: str, **fields: object) -> str:
    """`what key=value key="value with spaces"`: always one line. Fields that are None are left out."""
    words = [what]
    words += [f"{key}={_value(value)}" for key, value in fields.items() if value is not None]
    return " ".join(words)


def _value(value: object) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text if _BARE.match(text) else json.dumps(text, ensure_ascii=False)
