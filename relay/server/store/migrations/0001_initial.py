from tortoise import fields, migrations
from tortoise.indexes import Index
from relay.server.store.making import MakeTable


class Migration(migrations.Migration):
    initial = True

    operations = [
        MakeTable(
            name="DeliveryLog",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=36)),
                ("secret_hash", fields.CharField(max_length=64)),
                ("event_id", fields.CharField(max_length=64)),
                ("event_type", fields.CharField(max_length=32)),
                ("session_id", fields.CharField(max_length=128)),
                ("device_id", fields.CharField(max_length=36)),
                ("token_suffix", fields.CharField(max_length=8)),
                ("apns_env", fields.CharField(max_length=16)),
                ("topic", fields.CharField(max_length=255)),
                ("push_type", fields.CharField(max_length=16)),
                ("priority", fields.IntField()),
                ("collapse_id", fields.CharField(max_length=64)),
                ("expires_at", fields.BigIntField()),
                ("payload", fields.TextField(null=True, unique=False)),
                ("status", fields.CharField(max_length=16)),
                ("attempts", fields.IntField(default=0)),
                ("http_status", fields.IntField(null=True)),
                ("reason", fields.CharField(null=True, max_length=64)),
                ("error", fields.CharField(null=True, max_length=1024)),
                ("latency_ms", fields.IntField(null=True)),
                ("due_at", fields.BigIntField()),
                ("lease_owner", fields.CharField(null=True, max_length=80)),
                ("lease_until", fields.BigIntField(default=0)),
                ("created_at", fields.BigIntField()),
                ("updated_at", fields.BigIntField()),
            ],
            options={
                "table": "delivery_log",
                "app": "relay",
                "indexes": [
                    Index(fields=["secret_hash", "event_id"]),
                    Index(fields=["status", "due_at"]),
                    Index(fields=["created_at"]),
                ],
                "pk_attr": "id",
                "table_description": "One push of one event to one phone: the log, and, while `status` is queued, the outbox.",
            },
            bases=["Model"],
        ),
        MakeTable(
            name="DeviceRegistration",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=36)),
                ("secret_hash", fields.CharField(max_length=64)),
                ("device_token", fields.CharField(max_length=512)),
                ("bundle_id", fields.CharField(max_length=155)),
                ("apns_env", fields.CharField(default="production", max_length=16)),
                ("push_to_start_token", fields.CharField(null=True, max_length=512)),
                ("activity_format", fields.CharField(null=True, max_length=16)),
                ("created_at", fields.BigIntField()),
                ("updated_at", fields.BigIntField()),
            ],
            options={
                "table": "device_registration",
                "app": "relay",
                "unique_together": (("secret_hash", "device_token"),),
                "pk_attr": "id",
                "table_description": "One phone that wants the alerts of one secret. `updated_at` is when it last registered.",
            },
            bases=["Model"],
        ),
    ]
