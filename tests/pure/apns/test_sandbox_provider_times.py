"""By which time a provider token is judged where the sandbox's clock is turned, and providers go on living by their own."""

from random import Random

import pytest

from simulator.apns.authentication import ProviderState
from simulator.apns.messages import Request, read_request
from simulator.apns.sandbox import Sandbox
from simulator.clock import TurnableClock, VirtualClock
from simulator.journal import Journal

from .conftest import TOPIC, PushCase

BEGAN = 1_795_226_400
MINUTE, HOUR = 60, 3600
EXPIRED, INVALID, TOO_MANY = "ExpiredProviderToken", "InvalidProviderToken", "TooManyProviderTokenUpdates"


class World:
    """A sandbox on a clock that is turned, beside a machine whose time goes on."""

    def __init__(self) -> None:
        self.machine = float(BEGAN)
        self.clock = TurnableClock(lambda: self.machine)
        self.sandbox = Sandbox(self.clock, Journal(self.clock), random=Random(7))
        self.sandbox.add_app(TOPIC)
        self.case = PushCase()
        self.case.key = self.sandbox.issue_key()
        self.token = self.sandbox.registry.mint_token(TOPIC, "sandbox")
        self.provider = ProviderState()

    def request(self, iat: float) -> Request:
        fields = [(":method", "POST"), (":path", f"/3/device/{self.token}"), ("apns-topic", TOPIC)]
        authorization = ("authorization", f"bearer {self.case.sign(iat=int(iat))}")
        return read_request([*fields, authorization], b"{}", 2)

    def reason(self, iat: float) -> str | None:
        response = self.sandbox.hosts["sandbox"].handle(self.request(iat), self.provider).response
        assert response is not None
        return response.reason


@pytest.mark.parametrize(
    ("machine", "turned", "iat", "reason"),
    [
        # what passed on the machine, what the clock was turned, iat by the machine's time at the beginning
        (0, 0, 0, None),
        (2 * HOUR, 0, 2 * HOUR, None),  # the sandbox was left alone, and stands still
        (2 * HOUR, 0, 0, None),  # by its own time this is new
        (0, 9 * HOUR, 0, None),  # it was turned, and the provider knows nothing of that
        (MINUTE, 9 * HOUR, MINUTE, None),
        (MINUTE, 9 * HOUR, 9 * HOUR, None),  # by the sandbox's own time
        (2 * HOUR, 9 * HOUR, 11 * HOUR, None),  # by the machine's, and what was turned
        (0, 61 * MINUTE, 0, None),
        (0, 30 * 24 * HOUR, 0, None),
        (0, 9 * HOUR, 4 * HOUR, EXPIRED),  # by none
        (0, 9 * HOUR, -61 * MINUTE, EXPIRED),
        (0, 0, -61 * MINUTE, EXPIRED),
        (0, 0, HOUR, INVALID),
        (0, 9 * HOUR, 10 * HOUR, INVALID),
        (3 * HOUR, 9 * HOUR, 13 * HOUR, INVALID),
    ],
)
async def test_iat_is_judged_by_whichever_time_fits(
    machine: int, turned: int, iat: int, reason: str | None
) -> None:
    world = World()
    world.machine += machine
    await world.clock.advance(turned)
    assert world.reason(BEGAN + iat) == reason


async def test_a_provider_that_renews_every_fifty_minutes_may_do_so_all_day_while_the_clock_stands() -> None:
    world = World()
    for _ in range(24):
        assert world.reason(world.machine) is None
        world.machine += 50 * MINUTE


async def test_renewals_that_come_too_soon_are_too_many_on_any_clock() -> None:
    world = World()
    assert [world.reason(BEGAN - number) for number in range(4)] == [None, None, None, TOO_MANY]
    await world.clock.advance(1200)
    assert world.reason(BEGAN - 4) is None


async def test_a_virtual_clock_of_ones_own_is_the_only_time_there_is() -> None:
    """A world in one process, where the provider lives on the same clock, must not depend on the day it runs on."""
    world = World()
    world.sandbox = Sandbox(VirtualClock(5 * HOUR), Journal(world.clock), random=Random(7))
    world.sandbox.add_app(TOPIC)
    world.case.key = world.sandbox.issue_key()
    world.token = world.sandbox.registry.mint_token(TOPIC, "sandbox")
    assert world.reason(5 * HOUR) is None
    assert world.reason(BEGAN) == INVALID
