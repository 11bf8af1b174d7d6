"""Every exception of the lab: something was asked of it that it cannot do. Each text is a sentence for people."""


class LabError(Exception):
    """Root of the tree."""


class Unknown(LabError, LookupError):
    """There is no such key, device, activity, fault or push."""


class Taken(LabError):
    """The name is in use."""


class RealTime(LabError):
    """The clock is the machine's; nobody turns it."""


class NotNow(LabError):
    """It could be done at another time: the app is in the background, nothing is on the screen."""


class Impossible(LabError, ValueError):
    """The words are right, what they ask for is not: a time in the past, a setting nobody knows."""


class StateError(LabError):
    """The state file cannot be read or written."""
