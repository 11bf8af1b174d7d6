"""What can go wrong on purpose: rules that single out requests, and what happens to them; as Python values or as JSON."""

from simulator.apns.faults.document import dump, load
from simulator.apns.faults.rule import (
    Action,
    AnswerWith,
    CloseConnection,
    Delay,
    Fault,
    GoAway,
    Misshape,
    Reset,
    Stall,
    StreamLimit,
)
from simulator.apns.faults.table import FaultTable

__all__ = [
    "Action",
    "AnswerWith",
    "CloseConnection",
    "Delay",
    "Fault",
    "FaultTable",
    "GoAway",
    "Misshape",
    "Reset",
    "Stall",
    "StreamLimit",
    "dump",
    "load",
]
