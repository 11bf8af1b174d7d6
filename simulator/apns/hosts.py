"""The hosts of APNs, put together from their desks: two for pushes and broadcasts, two where channels are managed."""

from dataclasses import dataclass
from random import Random

from simulator.apns.authentication.provider_gate import ProviderGate
from simulator.apns.channels.checks import BROADCAST_PATH
from simulator.apns.channels.desks import BroadcastDesk, ChannelDesk, ExamRoom
from simulator.apns.channels.registry import Channels
from simulator.apns.delivery.courier import Courier
from simulator.apns.faults import FaultTable
from simulator.apns.judged import Desk, Ids
from simulator.apns.profile import Profile
from simulator.apns.push_desk import PushDesk
from simulator.apns.push_service import PushService
from simulator.apns.registry import REALMS, Realm, Registry
from simulator.clock import Clock
from simulator.journal import Journal


@dataclass(frozen=True, slots=True)
class Wiring:
    """What all hosts share."""

    registry: Registry
    channels: Channels
    profile: Profile
    faults: FaultTable
    courier: Courier
    clock: Clock
    journal: Journal
    random: Random


def make_hosts(wiring: Wiring) -> dict[str, PushService]:
    """By the names of their ports: "sandbox", "production", "manage-sandbox", "manage-production"."""
    gate, ids = ProviderGate(wiring.registry), Ids(wiring.random)
    rooms = {
        realm: ExamRoom(realm, wiring.registry, wiring.channels, wiring.profile, gate, wiring.clock, ids)
        for realm in REALMS
    }
    hosts: dict[str, PushService] = {realm: _push_host(wiring, realm, rooms[realm]) for realm in REALMS}
    return hosts | {f"manage-{realm}": _manage_host(wiring, rooms[realm]) for realm in REALMS}


def _push_host(wiring: Wiring, realm: Realm, room: ExamRoom) -> PushService:
    broadcasts = BroadcastDesk(room)
    pushes = PushDesk(realm, wiring.registry, wiring.profile, room.gate, wiring.clock, room.ids)

    def desk_for(path: str) -> Desk:
        return broadcasts if path.startswith(BROADCAST_PATH) else pushes

    return PushService(realm, desk_for, wiring.faults, wiring.courier, wiring.journal)


def _manage_host(wiring: Wiring, room: ExamRoom) -> PushService:
    desk = ChannelDesk(room, wiring.courier)
    return PushService(room.realm, lambda _: desk, wiring.faults, wiring.courier, wiring.journal, "channel")
