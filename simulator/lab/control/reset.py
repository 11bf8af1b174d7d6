"""Back to the start, between two tests."""

from simulator.lab.control.route import Call, Fields, Route


async def reset(call: Call) -> Fields:
    """No faults, no stored pushes, empty screens, empty journal; keys, apps, devices and their tokens stay."""
    call.lab.reset()
    return {}


ROUTES = (Route("POST", "/control/reset", "forget what happened; keys, apps and tokens stay", reset),)
