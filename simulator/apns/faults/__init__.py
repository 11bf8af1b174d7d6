"""What can go wrong on purpose: rules that single out requests, and what befalls them; as Python values or as JSON."""

from simulator.apns.faults.actions import (
    Action,
    AnswerWith,
    CloseConnection,
    Delay,
    GoAway,
    Misshape,
    Reset,
    Stall,
    StreamLimit,
)
from simulator.apns.faults.document import dump, load
from simulator.apns.faults.fault import Fault
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
