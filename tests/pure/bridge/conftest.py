"""A fold that knows one session, "ses_a", but not where it works."""

import pytest

from pure.bridge.folding import fold
from pure.bridge.wire import created
from relay.bridge.sources.opencode1.fold import Sessions


@pytest.fixture
def sessions() -> Sessions:
    fresh = Sessions()
    assert fold(fresh, created("ses_a", directory=None)) == []
    return fresh
