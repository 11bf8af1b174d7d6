from tortoise import fields, migrations
from tortoise.indexes import Index

from relay.server.store.making import MakeTable


class Migration(migrations.Migration):
    dependencies = [("relay", "0008_shards")]

    initial = False

    operations = [
        MakeTable(
            name="PendingRequest",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=36)),
                ("secret_hash", fields.CharField(max_length=64)),
                ("request_id", fields.CharField(max_length=128)),
                ("session_id", fields.CharField(max_length=128)),
                ("nonce_hash", fields.CharField(max_length=64)),
                ("wrong_nonces", fields.IntField(default=0)),
                ("state", fields.CharField(max_length=16)),
                ("answer", fields.TextField(null=True, unique=False)),
                ("answered_by", fields.CharField(null=True, max_length=8)),
                ("answered_at", fields.BigIntField(null=True)),
                ("outcome", fields.CharField(null=True, max_length=16)),
                ("expires_at", fields.BigIntField()),
                ("created_at", fields.BigIntField()),
            ],
            options={
                "table": "pending_request",
                "app": "relay",
                "indexes": [Index(fields=["secret_hash", "state"]), Index(fields=["expires_at"])],
                "pk_attr": "id",
                "table_description": "A request that waits for a person, and the answer that a phone gave until the bridge has acknowledged it.",
            },
            bases=["Model"],
        ),
    ]
