"""What can be broken about the bridge's start conditions, and what can go wrong with a request to OpenCode.

BridgeError                 one sentence for the person who started the bridge
├── OptionError             an option that cannot work: a URL that is none, a secret that is too short
├── SecretFileError         the secret file cannot be read or written
├── ServeError              the bridge's own `opencode serve` does not start, or has ended
└── OpenCodeError           OpenCode did not answer as it should
    ├── Unreachable         nothing answers, or not in time; it may yet come up
    │   ├── Unready         an OpenCode 2 that starts, stops or has failed, by its own words
    │   ├── BadServiceFile  the registration of OpenCode 2's managed service cannot be used
    │   └── NoServer        no OpenCode was found where one is looked for
    ├── Refused             401 or 403: wrong or missing password
    ├── NotOpenCode         something answers, but not an OpenCode server
    │   └── OtherGeneration an OpenCode server of a generation that the bridge cannot read
    └── NotFound            404: OpenCode does not know (any more) what was asked for
"""

from relay.errors import CommandError


class BridgeError(CommandError):
    """The bridge cannot work like this."""


class OptionError(BridgeError):
    """An option that cannot work."""


class SecretFileError(BridgeError):
    """The file that keeps the relay secret cannot be read or written."""


class ServeError(BridgeError):
    """The `opencode serve` that the bridge was to start does not start, or has ended."""


class OpenCodeError(BridgeError):
    """OpenCode did not answer as it should."""


class Unreachable(OpenCodeError):
    """Nothing answers at the URL, or not in time. Trying again later may help."""


class Unready(Unreachable):
    """OpenCode 2 says that it starts, stops or has failed. `failed`: it stays so until somebody does something."""

    def __init__(self, said: str, *, failed: bool = False) -> None:
        super().__init__(said)
        self.failed = failed


class BadServiceFile(Unreachable):
    """The file of OpenCode 2's managed service cannot be used, or not yet. `said` is what was seen, `remedy` what to do."""

    def __init__(self, said: str, remedy: str) -> None:
        super().__init__(f"{said}: {remedy}")
        self.said, self.remedy = said, remedy


class NoServer(Unreachable):
    """No OpenCode is where one is looked for. `said` is what was seen, `remedy` what to do."""

    def __init__(self, said: str, remedy: str) -> None:
        super().__init__(f"{said}; {remedy}")
        self.said, self.remedy = said, remedy


class Refused(OpenCodeError):
    """OpenCode wants another username or password."""


class NotOpenCode(OpenCodeError):
    """Something answers at the URL, but it is not an OpenCode server."""


class OtherGeneration(NotOpenCode):
    """OpenCode answers, but of a generation that the bridge cannot read. `said` is what was seen, `remedy` what to do."""

    def __init__(self, said: str, remedy: str) -> None:
        super().__init__(f"{said}: {remedy}")
        self.said, self.remedy = said, remedy


class NotFound(OpenCodeError):
    """OpenCode does not know what was asked for: the session was deleted, for instance."""
