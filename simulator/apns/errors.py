"""Every exception of the APNs sandbox. A refused push is a response, not an exception."""


class SandboxError(Exception):
    """Root of the tree."""


class SandboxNotStarted(SandboxError, RuntimeError):
    """Something was asked for that only exists after `start`."""


class UnknownApp(SandboxError, LookupError):
    """No app with this bundle id was added to the registry."""


class UnknownToken(SandboxError, LookupError):
    """This device token was never minted here."""


class BadKey(SandboxError, ValueError):
    """A private key cannot be read, or is not one that APNs takes."""


class BadToken(SandboxError, ValueError):
    """A device token of one's own is no hex, or there is one already."""


class UnknownChannel(SandboxError, LookupError):
    """There is no broadcast channel of this id, or no more."""


class BadProfile(SandboxError, ValueError):
    """A profile has no such name or field, or the value does not fit it; the message says which."""


class BadFault(SandboxError, ValueError):
    """A fault rule cannot be read; the message names the field and what is wanted there."""


class ConnectionFailure(SandboxError):
    """The peer broke HTTP/2 so badly that the connection must end (RFC 9113 section 5.4.1)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class StreamFailure(SandboxError):
    """One stream is at fault and is reset; the connection lives on (RFC 9113 section 5.4.2)."""

    def __init__(self, stream_id: int, code: int, message: str) -> None:
        super().__init__(message)
        self.stream_id = stream_id
        self.code = code
