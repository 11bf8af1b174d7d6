from typing import Any

from tortoise import fields, migrations
from tortoise.exceptions import OperationalError
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

_THERE = ("duplicate", "already exists")
"""SQLite's and MySQL's words for a table, a column or an index that is there: made by a relay that was killed before it could record
the migration. MySQL commits each change of a table by itself."""


class _AddField(ops.AddField):
    async def database_forward(self, *arguments: Any, **named: Any) -> None:
        await _once(super().database_forward(*arguments, **named))


class _AddIndex(ops.AddIndex):
    async def database_forward(self, *arguments: Any, **named: Any) -> None:
        await _once(super().database_forward(*arguments, **named))


class _CreateModel(ops.CreateModel):
    async def database_forward(self, *arguments: Any, **named: Any) -> None:
        await _once(super().database_forward(*arguments, **named))


async def _once(change: Any) -> None:
    try:
        await change
    except OperationalError as error:
        if not any(word in str(error).lower() for word in _THERE):
            raise


def _fill(table: str, rows: str) -> ops.RunSQL:
    """The first byte of the hash as a number, in words that SQLite and MySQL share. Twice changes nothing."""
    high, low = (f"(INSTR('0123456789abcdef', SUBSTR(secret_hash, {place}, 1)) - 1)" for place in (1, 2))
    return ops.RunSQL(f"UPDATE {table} SET shard = 16 * {high} + {low} WHERE shard IS NULL{rows}", "")


class Migration(migrations.Migration):
    dependencies = [("relay", "0007_pairing_keys")]

    initial = False

    operations = [
        _AddField("DeliveryLog", "shard", fields.SmallIntField(null=True)),
        _AddField("ActivityRegistration", "shard", fields.SmallIntField(null=True)),
        # Of the log only what waits: what has ended is never claimed.
        _fill("delivery_log", " AND status = 'queued'"),
        _fill("activity_registration", ""),
        _AddIndex("DeliveryLog", Index(fields=["status", "shard", "secret_hash", "due_at"])),
        _CreateModel(
            name="RelayPresence",
            fields=[
                ("owner", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=80)),
                ("seen_at", fields.BigIntField()),
            ],
            options={
                "table": "relay_presence",
                "app": "relay",
                "pk_attr": "owner",
                "table_description": "A relay that serves this database, and when it last said so.",
            },
            bases=["Model"],
        ),
    ]
