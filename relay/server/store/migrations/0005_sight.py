from typing import Any

from tortoise import fields, migrations
from tortoise.exceptions import OperationalError
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

_THERE = ("duplicate", "already exists")
"""SQLite's and MySQL's words for a column or a table that a relay made that was killed before it could record the migration."""


class _AddField(ops.AddField):
    async def database_forward(self, *arguments: Any, **named: Any) -> None:
        try:
            await super().database_forward(*arguments, **named)
        except OperationalError as error:
            if not any(word in str(error).lower() for word in _THERE):
                raise


class _CreateModel(ops.CreateModel):
    async def database_forward(self, *arguments: Any, **named: Any) -> None:
        try:
            await super().database_forward(*arguments, **named)
        except OperationalError as error:
            if not any(word in str(error).lower() for word in _THERE):
                raise


class Migration(migrations.Migration):
    dependencies = [("relay", "0004_refused_secrets")]

    initial = False

    operations = [
        _AddField("DeliveryLog", "past_attempts", fields.TextField(null=True, unique=False)),
        _CreateModel(
            name="PushHour",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=100)),
                ("hour_at", fields.BigIntField()),
                ("push_type", fields.CharField(max_length=16)),
                ("status", fields.CharField(max_length=16)),
                ("reason", fields.CharField(max_length=64)),
                ("number", fields.BigIntField()),
            ],
            options={
                "table": "push_hour",
                "app": "relay",
                "indexes": [Index(fields=["hour_at"])],
                "pk_attr": "id",
                "table_description": "So many attempts of one kind ended within an hour at one relay: what the last day was like is read without reading its log.",
            },
            bases=["Model"],
        ),
    ]
