"""What the doctor examines."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from relay.bridge.options import BridgeOptions


@dataclass(frozen=True)
class Case:
    """The bridge's options, the environment that may hold the relay's settings, and whether the phones may ring."""

    options: BridgeOptions
    environment: Mapping[str, str] = field(repr=False)
    push: bool = True
    clock: Callable[[], float] = time.time
