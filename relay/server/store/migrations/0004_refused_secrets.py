from tortoise import fields, migrations

from relay.server.store.making import MakeTable


class Migration(migrations.Migration):
    dependencies = [("relay", "0003_tokens")]

    initial = False

    operations = [
        MakeTable(
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
