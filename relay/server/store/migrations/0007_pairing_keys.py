from tortoise import fields, migrations

from relay.server.store.making import AddField


class Migration(migrations.Migration):
    dependencies = [("relay", "0006_known_secrets")]

    initial = False

    operations = [AddField("DeviceRegistration", "kid", fields.CharField(null=True, max_length=16))]
