"""The registration of OpenCode 2's managed service, `service.json`: where it listens, which process it is, and its password.

OpenCode writes it (mode 0600, by rename) when the service listens, and removes it at an orderly stop; SIGKILL leaves it
behind. So it is only a claim: a server is the service if it answers with the same version and pid (source: anomalyco/opencode).
"""

import errno
import os
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from relay.bridge.errors import BadServiceFile
from relay.bridge.sources.wire import Malformed, Wire, decode

MAX_SIZE = 64 << 10
"""Bytes; OpenCode's have 200."""

RENEW = "opencode service restart writes a new one"
OWN = "run the bridge as the user who runs OpenCode"


def service_path(environment: Mapping[str, str]) -> Path:
    """`$XDG_STATE_HOME/opencode/service.json`, by default below `~/.local/state`, on every platform."""
    state = environment.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
    return Path(state) / "opencode" / "service.json"


class Service(Wire, frozen=True, kw_only=True):
    """What the file says."""

    url: str
    pid: int
    version: str
    password: str

    def __repr__(self) -> str:
        return f"Service({self.url!r}, {self.version!r}, pid={self.pid})"  # never the password


def read_service(path: Path, uid: int | None = None) -> Service | None:
    """What the file says, None if there is none. Raises BadServiceFile if it is not one that OpenCode wrote for this user.

    `uid`: the user to whom it must belong, by default that of this process.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise BadServiceFile(f"{path} is a symbolic link", f"remove it; {RENEW}") from None
        raise BadServiceFile(f"{path} cannot be read ({error.strerror})", OWN) from None
    try:
        if flaw := flaw_of(os.fstat(handle), os.getuid() if uid is None else uid):
            said, remedy = flaw
            raise BadServiceFile(f"{path} {said}", remedy.format(path=path))
        return service_in(os.read(handle, MAX_SIZE), path)
    finally:
        os.close(handle)


def flaw_of(status: os.stat_result, uid: int) -> tuple[str, str] | None:
    """Why a file with this status is not to be trusted, and what to do; None if it is. Pure."""
    if not stat.S_ISREG(status.st_mode):
        return "is no file", f"remove it; {RENEW}"
    if status.st_uid != uid:
        return "belongs to another user", OWN
    if others := stat.S_IMODE(status.st_mode) & 0o077:
        can = "write" if others & 0o022 else "read"
        return f"holds a password, and others can {can} it", "chmod 600 {path}"
    if status.st_size > MAX_SIZE:
        return f"has more than {MAX_SIZE >> 10} KiB", f"remove it; {RENEW}"
    return None


def service_in(text: bytes, path: Path) -> Service:
    """The service in the text of a file. Raises BadServiceFile; its words repeat nothing of the text. Pure."""
    if not text.rstrip().endswith(b"}"):
        raise BadServiceFile(f"{path} is not written to its end", f"if it stays so: {RENEW}")
    try:
        service = decode(text, Service)
        parts = urlsplit(service.url)
        whole = (
            parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.username
        )
    except (Malformed, ValueError):
        whole = False
    if not whole:
        raise BadServiceFile(f"{path} is not what OpenCode writes (url, pid, version, password)", RENEW)
    return service


def local_url(service: Service, path: Path) -> str:
    """Where the service answers on this machine. Raises BadServiceFile if it names another one: its password would go there."""
    parts = urlsplit(service.url)
    host = parts.hostname or ""
    if host in ("0.0.0.0", "::"):  # noqa: S104  compared with, never bound
        return f"{parts.scheme}://{'[::1]' if ':' in host else '127.0.0.1'}:{parts.port or 80}"
    if not is_loopback(host):
        remedy = "if that is your OpenCode, give its URL by --opencode-url"
        raise BadServiceFile(f"{path} names an address beyond this machine's own loopback", remedy)
    return service.url.rstrip("/")


TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
"""The sockets of this machine, one a line (Linux, proc(5)); elsewhere there is no such file."""
_LISTENS = "0A"


def socket_table() -> str:
    """Both of them; "" where there are none."""
    texts = []
    for path in TABLES:
        with suppress(OSError):
            texts.append(path.read_text())
    return "\n".join(texts)


def is_foreign(url: str, table: str, uid: int) -> bool:
    """Whether it is another user's program, not root's, that listens where `url` leads on this machine. Pure.

    A file that was left behind may name a port which by now is somebody else's, who would be sent the password.
    """
    parts = urlsplit(url)
    port = f"{parts.port or 80:04X}"
    owners: dict[str, set[int]] = {}
    for fields in map(str.split, table.splitlines()):
        if len(fields) > 7 and fields[3] == _LISTENS and fields[1].endswith(f":{port}"):
            owners.setdefault(fields[1].partition(":")[0], set()).add(int(fields[7]))
    exact, anywhere = _spelled(parts.hostname or "")
    found = next((owners[one] for one in (*exact, *anywhere) if one in owners), set())
    return bool(found - {uid, 0})


def _spelled(host: str) -> tuple[list[str], list[str]]:
    """How the kernel spells this loopback host, and the addresses that stand for all; the more exact one takes a connection."""
    names = ["127.0.0.1", "::1"] if host == "localhost" else [host]
    exact = [_hexadecimal(ip_address(name).packed) for name in names]
    return exact, [_hexadecimal(bytes(4)), _hexadecimal(bytes(16))]


def _hexadecimal(packed: bytes) -> str:
    words = [packed[start : start + 4] for start in range(0, len(packed), 4)]
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)


def is_loopback(host: str) -> bool:
    """Whether what is sent to this host cannot leave this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
