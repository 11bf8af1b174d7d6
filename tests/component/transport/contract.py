"""Marks of the contract suite: which transport, and where stock aioapns 4.0 is known to fail.

The marks are strict: were a defect mended, its test would fail and say so.
"""

from typing import Any

import pytest

UNMATCHED = "answers are matched by apns-id and reason: without them the push hangs"
BODY = (
    "a body that is no JSON, or comes in parts, raises, and the connection is lost with all that is in flight"
)
RESENT = "what was in flight when a connection ends is sent again, though it may have been processed"
LEAK = "the stream of a push that failed is never given back"


def both(defect: str = "") -> pytest.MarkDecorator:
    """Run with each transport; `defect`: why stock aioapns fails."""
    marks = [pytest.mark.xfail(strict=True, reason=f"aioapns 4.0: {defect}")] if defect else []
    return pytest.mark.parametrize("transport", ["lean", pytest.param("aioapns", marks=marks)])


def each(cases: dict[str, tuple[str, Any]]) -> pytest.MarkDecorator:
    """Run each case with each transport; a case is a defect, or "", and what it is about."""
    params = []
    for name, (defect, value) in cases.items():
        marks = [pytest.mark.xfail(strict=True, reason=f"aioapns 4.0: {defect}")] if defect else []
        params.append(pytest.param("lean", value, id=f"lean-{name}"))
        params.append(pytest.param("aioapns", value, id=f"aioapns-{name}", marks=marks))
    return pytest.mark.parametrize(("transport", "case"), params)
