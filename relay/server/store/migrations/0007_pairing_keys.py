from collections.abc import Awaitable
from typing import Any

from tortoise import fields, migrations
from tortoise.exceptions import OperationalError
from tortoise.migrations import operations as ops

_THERE = ("duplicate", "already exists")
"""SQLite's and MySQL's words for a column that is there."""


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


class Migration(migrations.Migration):
    dependencies = [("relay", "0006_known_secrets")]

    initial = False

    operations = [_AddField("DeviceRegistration", "kid", fields.CharField(null=True, max_length=16))]
