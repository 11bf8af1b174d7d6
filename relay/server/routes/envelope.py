"""Replies of the server's routes to errors that only a server has: its database is away."""

import logging

from relay import http_errors
from relay.contract import Refusal
from relay.log import line
from relay.server.store.sql import Unavailable

log = logging.getLogger("relay.server.routes")

DATABASE_UNAVAILABLE = Refusal(error="The database is not available, try again", code="database_unavailable")


def refusal(error: Exception) -> tuple[Refusal, int]:
    """The reply to an error, and the status. What is the relay's own fault is logged."""
    if isinstance(error, Unavailable | TimeoutError):
        log.error(line("database unavailable", error=str(error) or type(error).__name__))
        return DATABASE_UNAVAILABLE, 503
    return http_errors.refusal(error, log)
