"""What a running server process says of itself, and whether it takes requests yet."""

from dataclasses import dataclass
from typing import Literal

from simulator.opencode.script import Json
from simulator.opencode.v2.wire import Flavour

Readiness = Literal["ready", "starting", "stopping", "failed"]
_INFO_SINCE = (2, 0, 6)
_STATUS_SINCE = (2, 0, 4)


@dataclass(slots=True)
class Service:
    """`readiness` and `empty_401` (as before 2.0.16) can be switched while it runs."""

    flavour: Flavour
    version: str
    pid: int
    url: str = ""
    readiness: Readiness = "ready"
    empty_401: bool = False

    @property
    def names_itself_at(self) -> str:
        """The route that tells the version."""
        number = version_number(self.version)
        if number[0] == 0 or number < _STATUS_SINCE:
            return "/api/health"
        return self.flavour.info if number >= _INFO_SINCE else "/api/status"

    def info(self) -> Json:
        """GET /api/info, or what its forerunners said."""
        if self.names_itself_at != "/api/info":
            return {"healthy": True, "version": self.version, "pid": self.pid}
        shown: Json = {
            "version": self.version,
            "pid": self.pid,
            "urls": [self.url],
            "paths": {"tmp": "/tmp"},  # noqa: S108  (what the server names, nothing that is written)
        }
        newer = version_number(self.version) >= (2, 0, 23)
        return {**shown, "capabilities": {"persistentPty": True}} if newer else shown

    @property
    def info_status(self) -> int:
        """Its status: a server that is not ready says who it is nevertheless."""
        return {"ready": 200, "failed": 500}.get(self.readiness, 503)

    def unready(self) -> Json | None:
        """The body of the 503 that every other request gets; None if the server is ready."""
        if self.readiness == "ready":
            return None
        if self.readiness == "failed":
            return {"code": "service_failed", "message": "The service failed to start", "action": "restart"}
        return {"code": f"service_{self.readiness}"}


def version_number(version: str) -> tuple[int, ...]:
    """`2.0.22` as numbers; what follows a hyphen does not count."""
    return tuple(int(part) for part in version.partition("-")[0].split("."))
