"""Log lines as key=value, readable by people and by machines alike."""

import json


def line(what: str, **fields: object) -> str:
    """`what key=value key="value with spaces"`: always one line. Fields that are None are left out."""
    words = [what]
    words += [f"{key}={_value(value)}" for key, value in fields.items() if value is not None]
    return " ".join(words)


def _value(value: object) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    bare = text and text.isprintable() and " " not in text and '"' not in text and "=" not in text
    return text if bare else json.dumps(text, ensure_ascii=not text.isprintable())
