from tortoise import fields, migrations

from relay.server.store.making import MakeTable


class Migration(migrations.Migration):
    dependencies = [("relay", "0005_sight")]

    initial = False

    operations = [
        MakeTable(
            name="KnownSecret",
            fields=[
                (
                    "secret_hash",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("name", fields.CharField(unique=True, max_length=64)),
                ("created_at", fields.BigIntField()),
            ],
            options={
                "table": "known_secret",
                "app": "relay",
                "pk_attr": "secret_hash",
                "table_description": "A secret that the operator made or named: with RELAY_REGISTRATION=known the only ones that are taken.",
            },
            bases=["Model"],
        ),
    ]
