"""A lab that nobody listens at: no sockets."""

from random import Random
from typing import Any

import pytest
import trustme

from simulator.apns.sandbox import Sandbox
from simulator.clock import VirtualClock
from simulator.journal import Journal
from simulator.lab.lab import Lab

AUTHORITY = trustme.CA()
TOPIC = "com.example.app"
NOW = 1_795_226_400.0


@pytest.fixture
def make_lab() -> Any:
    """`make_lab(seed)`: a new lab without anything in it; another seed gives other ids."""

    def make(seed: int = 1) -> Lab:
        clock = VirtualClock(NOW)
        journal = Journal(clock)
        return Lab(clock, journal, Sandbox(clock, journal, random=Random(seed), authority=AUTHORITY))

    return make


@pytest.fixture
def lab(make_lab: Any) -> Lab:
    """One with an app."""
    lab: Lab = make_lab()
    lab.sandbox.add_app(TOPIC)
    return lab


@pytest.fixture
def authority() -> trustme.CA:
    return AUTHORITY
