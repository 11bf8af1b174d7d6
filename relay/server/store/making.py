"""What the migrations are made of: Tortoise's operations, which find done what a relay did that was killed before it could record it.

MySQL commits each change of a table by itself.
"""

from collections.abc import Awaitable
from typing import Any

from tortoise.exceptions import OperationalError
from tortoise.migrations import operations as ops

_THERE = ("duplicate", "already exists")
"""SQLite's and MySQL's words for a column, an index or a table that is there."""


class AddField(ops.AddField):
    """Add a column, or find it."""

    async def database_forward(self, *arguments: Any, **named: Any) -> None:
        """Raises OperationalError for any other reason."""
        await _once(super().database_forward(*arguments, **named))


class AddIndex(ops.AddIndex):
    """Add an index, or find it."""

    async def database_forward(self, *arguments: Any, **named: Any) -> None:
        """Raises OperationalError for any other reason."""
        await _once(super().database_forward(*arguments, **named))


class MakeTable(ops.CreateModel):
    """Make a table, or find it."""

    async def database_forward(self, *arguments: Any, **named: Any) -> None:
        """Raises OperationalError for any other reason."""
        await _once(super().database_forward(*arguments, **named))


async def _once(change: Awaitable[None]) -> None:
    try:
        await change
    except OperationalError as error:
        if not any(word in str(error).lower() for word in _THERE):
            raise
