from tortoise import fields, migrations
from tortoise.indexes import Index

from relay.server.store.making import AddField, MakeTable


class Migration(migrations.Migration):
    dependencies = [("relay", "0004_refused_secrets")]

    initial = False

    operations = [
        AddField("DeliveryLog", "past_attempts", fields.TextField(null=True, unique=False)),
        MakeTable(
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
