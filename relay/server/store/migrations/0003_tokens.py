from collections.abc import Awaitable
from typing import Any

from tortoise import fields, migrations
from tortoise.exceptions import OperationalError
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

_THERE = ("duplicate", "already exists")
"""SQLite's and MySQL's words for a column or an index that is there."""


async def _once(change: Awaitable[None]) -> None:
    """What was done already, by a relay that was killed before it could record the migration, is done.

    MySQL commits each change of a table by itself.
    """
    try:
        await change
    except OperationalError as error:
        if not any(word in str(error).lower() for word in _THERE):
            raise


class _AddField(ops.AddField):
    async def database_forward(self, *arguments: Any, **named: Any) -> None:
        await _once(super().database_forward(*arguments, **named))


class _AddIndex(ops.AddIndex):
    async def database_forward(self, *arguments: Any, **named: Any) -> None:
        await _once(super().database_forward(*arguments, **named))


_ACTIVITY = "ActivityRegistration"


class Migration(migrations.Migration):
    dependencies = [("relay", "0002_live_activities")]

    initial = False

    operations = [
        _AddField(_ACTIVITY, "status_at", fields.BigIntField(null=True)),
        _AddField(_ACTIVITY, "former_tokens", fields.TextField(null=True, unique=False)),
        _AddField(_ACTIVITY, "dead_tokens", fields.TextField(null=True, unique=False)),
        _AddField(_ACTIVITY, "unadopted", fields.IntField(null=True)),
        _AddField(_ACTIVITY, "starts_at", fields.CharField(null=True, max_length=512)),
        _AddField(_ACTIVITY, "clock_ahead", fields.IntField(null=True)),
        _AddIndex(_ACTIVITY, Index(fields=["device_token"])),
    ]
