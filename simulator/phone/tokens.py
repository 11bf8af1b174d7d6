"""Where a phone's tokens come from: APNs, behind four words. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

TokenKind = Literal["alert", "voip", "push-to-start", "activity"]


class TokenIssuer(Protocol):
    """APNs as one app on one phone sees it. Pushes for what it issued reach that phone's `receive`."""

    def issue(self, kind: TokenKind) -> str:
        """A new token, in lower-case hex."""
        ...

    def expire(self, token: str) -> None:
        """This token's activity is over, or has another token now."""
        ...


@dataclass(frozen=True, slots=True)
class MintedTokens:
    """An issuer made of one function that makes tokens: enough for a phone whose APNs need not know of expiry."""

    mint: Callable[[], str]

    def issue(self, _kind: TokenKind) -> str:
        """A new token; the function does not ask which kind."""
        return self.mint()

    def expire(self, token: str) -> None:
        """Nobody is told."""
