"""The app on the phone: it pairs with OpenCode servers and registers for their pushes at the relay."""

from typing import Any

from simulator.clock import Clock
from simulator.journal import Journal
from simulator.phone.content import Content, content
from simulator.phone.device import Device, Realm
from simulator.phone.keychain import Keychain
from simulator.phone.pairing import Pairing, parse_link
from simulator.phone.relay_client import PATIENCE, Reply, call

BUNDLE_ID = "com.anomalyco.mobilevoice"


class App:
    """One installed app. `realm` is that of its build: "production" from the store or TestFlight, else "sandbox"."""

    def __init__(
        self,
        device: Device,
        clock: Clock,
        journal: Journal,
        *,
        realm: Realm = "production",
        bundle_id: str = BUNDLE_ID,
    ) -> None:
        self._device = device
        self._clock = clock
        self._journal = journal
        self._pairings: dict[str, Pairing] = {}
        self.keychain = Keychain()
        self.realm: Realm = realm
        self.bundle_id = bundle_id
        self.opened: list[str] = []

    @property
    def pairings(self) -> tuple[Pairing, ...]:
        """The servers it is paired with, oldest first."""
        return tuple(self._pairings.values())

    @property
    def token(self) -> str:
        """The device token the app has now."""
        return self._device.token(self.realm)

    def scan(self, link: str) -> Pairing:
        """Pair with the server of a QR code or link; the same server again replaces what was known of it.

        Raises PairingError if the text is no pairing.
        """
        pairing = parse_link(link)
        account = _account(pairing)
        self._pairings[account] = pairing
        self.keychain.keep(account, pairing.relay_secret)
        self._journal.record("phone", "paired", phone=self._device.name, serverID=pairing.server_id)
        return pairing

    async def start(self) -> list[Reply]:
        """Launch: every start registers again with the relay of every pairing."""
        return await self.register()

    async def register(self, patience: float = PATIENCE) -> list[Reply]:
        """Tell the relay of every pairing where this phone is, trying for `patience` seconds while it is down."""
        fields = {"deviceToken": self.token, "bundleId": self.bundle_id, "apnsEnv": self.realm}
        return [await self._call("register", account, fields, patience) for account in tuple(self._pairings)]

    async def unregister(self, token: str | None = None, patience: float = PATIENCE) -> list[Reply]:
        """Take this phone (or a token it had before) off the relay of every pairing."""
        fields = {"deviceToken": token or self.token}
        return [
            await self._call("unregister", account, fields, patience) for account in tuple(self._pairings)
        ]

    async def rotate_token(self) -> list[Reply]:
        """The device gets a new token: the old one is taken off everywhere and the new one registered."""
        old = self.token
        self._device.rotate(self.realm)
        self._journal.record("phone", "token changed", phone=self._device.name)
        return [*await self.unregister(old), *await self.register()]

    def read(self, payload: dict[str, Any]) -> Content:
        """What the app's code sees of a push."""
        return content(payload)

    def knows(self, server_id: str | None) -> bool:
        """Whether a push of this server belongs to a pairing; the app compares the serverID as the link gave it."""
        return any(pairing.server_id == server_id for pairing in self._pairings.values())

    def open(self, url: str) -> None:
        """A tap on a notification opened the app with this link."""
        self.opened.append(url)

    async def _call(self, what: str, account: str, fields: dict[str, str], patience: float) -> Reply:
        pairing = self._pairings[account]
        body = {"secret": self.keychain.secret(account), **fields}
        reply = await call(self._clock, f"{pairing.relay_url}/v1/device/{what}", body, patience=patience)
        self._journal.record(
            "phone",
            what,
            phone=self._device.name,
            outcome=reply.outcome,
            status=reply.status,
            attempts=reply.attempts,
        )
        return reply


def _account(pairing: Pairing) -> str:
    """What the keychain files a pairing under."""
    return pairing.server_id or pairing.hosts[0]
