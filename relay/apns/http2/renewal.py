"""An expired provider token is renewed once, and the push that met it sent once more, on a new connection."""

from collections.abc import Callable

from relay.apns.http2.pool import ConnectionPool
from relay.apns.provider_token import ProviderToken
from relay.apns.push import Outcome, Push
from relay.apns.reasons import Verdict


class RenewingSender:
    """Sends over one pool whose requests are signed by `token`. `now` gives UNIX seconds."""

    def __init__(self, pool: ConnectionPool, token: ProviderToken, now: Callable[[], float]) -> None:
        self._pool, self._token, self._now = pool, token, now

    async def send(self, push: Push, deadline: float) -> Outcome:
        """What became of the push within so many seconds, both tries together."""
        ends = self._pool.time() + deadline
        if self._token.issued_at < 0:
            self._token.authorization(self._now())
        used = self._token.issued_at
        outcome = await self._pool.send(push, ends)
        if outcome.verdict is Verdict.NEW_PROVIDER_TOKEN and self._has_newer_token(used):
            # APNs may go on refusing every token on a connection that saw an expired one (jchambers/pushy#783).
            self._pool.replace_connections(opened_before=self._token.issued_at)
            outcome = await self._pool.send(push, ends)
        return outcome

    def _has_newer_token(self, used: float) -> bool:
        """True if another push renewed the token meanwhile, or this one may; False: too young, a clock is wrong."""
        return self._token.issued_at != used or self._token.renew(self._now())
