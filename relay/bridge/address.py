"""Where OpenCode listens, and who asks: the URL and the credentials of any generation's server. Pure."""

from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from relay.bridge.errors import OptionError

DEFAULT_USERNAME = "opencode"


@dataclass(frozen=True, slots=True)
class Address:
    """`url` has no credentials and no trailing slash. `managed`: it is OpenCode 2's managed service, whose port may change."""

    url: str
    username: str
    password: str | None
    managed: bool = False

    def __repr__(self) -> str:
        return f"Address({self.url!r}, username={self.username!r})"  # never the password

    @property
    def host(self) -> str:
        """The host in `url`, an IPv6 address without its brackets."""
        return urlsplit(self.url).hostname or ""

    @property
    def headers(self) -> dict[str, str]:
        """HTTP Basic credentials, if there is a password."""
        if self.password is None:
            return {}
        credentials = b64encode(f"{self.username}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {credentials}"}


def address(url: str, username: str = DEFAULT_USERNAME, password: str | None = None) -> Address:
    """The address in `url`, which may hold user and password itself. Raises OptionError if it is no HTTP URL."""
    parts = http_url(url, "the OpenCode URL")
    host = parts.netloc.rpartition("@")[2]
    bare = parts._replace(netloc=host, query="", fragment="").geturl().rstrip("/")
    if parts.password is None:
        return Address(bare, username, password)
    return Address(bare, unquote(parts.username or username), unquote(parts.password))


def http_url(url: str, what: str) -> SplitResult:
    """The parts of an http or https URL. Raises OptionError, naming `what`; the text does not repeat credentials."""
    try:
        parts = urlsplit(url.strip())
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise OptionError(f"{what} must be an http:// or https:// URL with a host")
    return parts


def port_of(url: str) -> int:
    """The port in `url`, else that of its scheme."""
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1"})


def same_url(one: str, other: str) -> bool:
    """Whether both lead to the same server: scheme, host and port; `localhost` is 127.0.0.1."""
    return _key(one) == _key(other)


def _key(url: str) -> tuple[str, str, int, str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme, "localhost" if host in _LOCAL_NAMES else host, port_of(url), parts.path.rstrip("/")
