"""The links that open the app on one session: `mobilevoice://session/{id}`. No I/O."""

_SESSION = "mobilevoice://session/"


def session_link(session_id: str) -> str:
    """The link to a session, as notifications and Live Activities carry it."""
    return _SESSION + session_id


def linked_session(url: object) -> str | None:
    """The session that a link opens; None for any other value."""
    if not isinstance(url, str) or not url.startswith(_SESSION):
        return None
    return url.removeprefix(_SESSION) or None
