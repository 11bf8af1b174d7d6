from typing import Any

from tortoise import fields, migrations
from tortoise.exceptions import OperationalError
from tortoise.migrations import operations as ops


class _CreateModel(ops.CreateModel):
    """A table that is there, made by a relay that was killed before it could record the migration, is made."""

    async def database_forward(self, *arguments: Any, **named: Any) -> None:
        try:
            await super().database_forward(*arguments, **named)
        except OperationalError as error:
            if "already exists" not in str(error).lower():
                raise


class Migration(migrations.Migration):
    dependencies = [("relay", "0003_tokens")]

    initial = False

    operations = [
        _CreateModel(
            name="RefusedSecret",
            fields=[
                (
                    "secret_hash",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("created_at", fields.BigIntField()),
            ],
            options={
                "table": "refused_secret",
                "app": "relay",
                "pk_attr": "secret_hash",
                "table_description": "A secret under which no phone may register any more: it was replaced. Nothing else is kept of it.",
            },
            bases=["Model"],
        ),
    ]
