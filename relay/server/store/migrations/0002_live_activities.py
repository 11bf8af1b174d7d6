from tortoise import fields, migrations
from tortoise.indexes import Index
from relay.server.store.making import MakeTable


class Migration(migrations.Migration):
    dependencies = [("relay", "0001_initial")]

    initial = False

    operations = [
        MakeTable(
            name="ActivityRegistration",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=36)),
                ("secret_hash", fields.CharField(max_length=64)),
                ("session_id", fields.CharField(max_length=128)),
                ("device_token", fields.CharField(max_length=512)),
                ("activity_token", fields.CharField(null=True, max_length=512)),
                ("bundle_id", fields.CharField(max_length=155)),
                ("apns_env", fields.CharField(max_length=16)),
                ("activity_format", fields.CharField(max_length=16)),
                ("stage", fields.CharField(max_length=16)),
                ("state", fields.TextField(null=True, unique=False)),
                ("alert", fields.TextField(null=True, unique=False)),
                ("ends", fields.BooleanField(default=False)),
                ("event_id", fields.CharField(null=True, max_length=64)),
                ("event_type", fields.CharField(max_length=32)),
                ("due_at", fields.BigIntField(null=True)),
                ("retry_at", fields.BigIntField(default=0)),
                ("attempts", fields.IntField(default=0)),
                ("pushed_status", fields.CharField(null=True, max_length=16)),
                ("pushed_at", fields.BigIntField(default=0)),
                ("timestamp", fields.BigIntField(default=0)),
                ("priority_10_at", fields.CharField(default="[]", max_length=255)),
                ("registered_at", fields.BigIntField(default=0)),
                ("began_at", fields.BigIntField()),
                ("ended_at", fields.BigIntField(default=0)),
                ("updated_at", fields.BigIntField()),
                ("lease_owner", fields.CharField(null=True, max_length=80)),
                ("lease_until", fields.BigIntField(default=0)),
                ("revision", fields.IntField(default=0)),
            ],
            options={
                "table": "activity_registration",
                "app": "relay",
                "indexes": [
                    Index(fields=["secret_hash", "session_id"]),
                    Index(fields=["due_at"]),
                    Index(fields=["began_at"]),
                ],
                "pk_attr": "id",
                "table_description": "The Live Activity of one session on one phone: its fence, its update token, and the newest state for it.",
            },
            bases=["Model"],
        ),
    ]
