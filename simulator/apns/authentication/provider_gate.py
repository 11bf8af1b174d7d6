"""Who is asking: reads the provider token of a request, and lets the connection remember what it has shown."""

from simulator.apns.authentication.provider_token import ProviderToken, TokenReader, bearer
from simulator.apns.checks import Exam
from simulator.apns.registry import Registry
from simulator.apns.requests import Request


class ProviderGate:
    """One for all desks, so that a token is verified once."""

    def __init__(self, registry: Registry) -> None:
        self._reader = TokenReader(registry.keys)

    def read(self, request: Request) -> tuple[str | None, ProviderToken | None]:
        """The text of the provider token, and the token if it verifies."""
        text = bearer(request.headers.get("authorization"))
        return text, None if text is None else self._reader.read(text)

    def learn(self, exam: Exam, reason: str | None, *, authenticated: bool) -> None:
        """A request of this exam was answered so."""
        if authenticated and exam.provider_token is not None:
            exam.session.saw(exam.provider_token, exam.now)
        if reason == "TooManyProviderTokenUpdates":
            exam.session.throttle(exam.profile, exam.now)
        elif reason == "ExpiredProviderToken":
            exam.session.wedged = exam.profile.wedge_after_expired
