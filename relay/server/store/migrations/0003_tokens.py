from tortoise import fields, migrations
from tortoise.indexes import Index

from relay.server.store.making import AddField, AddIndex

_ACTIVITY = "ActivityRegistration"


class Migration(migrations.Migration):
    dependencies = [("relay", "0002_live_activities")]

    initial = False

    operations = [
        AddField(_ACTIVITY, "status_at", fields.BigIntField(null=True)),
        AddField(_ACTIVITY, "former_tokens", fields.TextField(null=True, unique=False)),
        AddField(_ACTIVITY, "dead_tokens", fields.TextField(null=True, unique=False)),
        AddField(_ACTIVITY, "unadopted", fields.IntField(null=True)),
        AddField(_ACTIVITY, "starts_at", fields.CharField(null=True, max_length=512)),
        AddField(_ACTIVITY, "clock_ahead", fields.IntField(null=True)),
        AddIndex(_ACTIVITY, Index(fields=["device_token"])),
    ]
