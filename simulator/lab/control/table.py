"""The one table of all routes."""

from simulator.lab.control import (
    activities,
    apps,
    channels,
    clock,
    deliveries,
    devices,
    faults,
    journal,
    keys,
    profile,
    reset,
)
from simulator.lab.control.openapi import document
from simulator.lab.control.route import Call, Fields, Raw, Route


async def index(call: Call) -> Fields:
    """What there is to call, and where APNs listens."""
    return {
        "apns": {realm: f"127.0.0.1:{port}" for realm, port in call.lab.sandbox.ports.items()},
        "ca_file": str(call.lab.sandbox.ca_file),
        "team_id": call.lab.sandbox.registry.team_id,
        "routes": [f"{route.method} {route.path}  {route.summary}" for route in ROUTES],
    }


async def openapi(_: Call) -> Raw:
    """This document."""
    return Raw(document(ROUTES))


ROUTES: tuple[Route, ...] = (
    Route("GET", "/control", "what there is", index),
    Route("GET", "/control/openapi.json", "the same as OpenAPI 3.1", openapi),
    *keys.ROUTES,
    *apps.ROUTES,
    *devices.ROUTES,
    *activities.ROUTES,
    *channels.ROUTES,
    *faults.ROUTES,
    *profile.ROUTES,
    *clock.ROUTES,
    *journal.ROUTES,
    *deliveries.ROUTES,
    *reset.ROUTES,
)
