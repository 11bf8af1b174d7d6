"""The tables. Times are UTC milliseconds; secrets are SHA-256 hex; no foreign keys, so any MySQL cluster can serve."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model


class DeviceRegistration(Model):
    """One phone that wants the alerts of one secret. `updated_at` is when it last registered."""

    id = fields.CharField(max_length=36, primary_key=True)
    secret_hash = fields.CharField(max_length=64)
    device_token = fields.CharField(max_length=512)
    bundle_id = fields.CharField(max_length=155)
    apns_env = fields.CharField(max_length=16, default="production")
    push_to_start_token = fields.CharField(max_length=512, null=True)
    activity_format = fields.CharField(max_length=16, null=True)
    kid = fields.CharField(max_length=16, null=True)
    """Names the key that it has."""
    created_at = fields.BigIntField()
    updated_at = fields.BigIntField()

    class Meta:
        """One row for each secret and token."""

        table = "device_registration"
        unique_together = (("secret_hash", "device_token"),)


class RefusedSecret(Model):
    """A secret under which no phone may register any more: it was replaced. Nothing else is kept of it."""

    secret_hash = fields.CharField(max_length=64, primary_key=True)
    created_at = fields.BigIntField()

    class Meta:
        """Looked up when a phone registers."""

        table = "refused_secret"


class PendingRequest(Model):
    """A request that waits for a person, and the answer that a phone gave until the bridge has acknowledged it.

    `id` is made of secret and request. Of the nonce only the hash is kept. A request takes one answer: `state` goes from pending to
    answered, withdrawn or closed, once. `outcome` is what the bridge made of the answer; then `answer` is dropped.
    """

    id = fields.CharField(max_length=36, primary_key=True)
    secret_hash = fields.CharField(max_length=64)
    request_id = fields.CharField(max_length=128)
    session_id = fields.CharField(max_length=128)
    nonce_hash = fields.CharField(max_length=64)
    wrong_nonces = fields.IntField(default=0)
    state = fields.CharField(max_length=16)
    answer = fields.TextField(null=True)
    answered_by = fields.CharField(max_length=8, null=True)
    answered_at = fields.BigIntField(null=True)
    outcome = fields.CharField(max_length=16, null=True)
    expires_at = fields.BigIntField()
    created_at = fields.BigIntField()

    class Meta:
        """Looked up by secret and state, and by age."""

        table = "pending_request"
        indexes = (Index(fields=("secret_hash", "state")), Index(fields=("expires_at",)))


class KnownSecret(Model):
    """A secret that the operator made or named: with RELAY_REGISTRATION=known the only ones that are taken."""

    secret_hash = fields.CharField(max_length=64, primary_key=True)
    name = fields.CharField(max_length=64, unique=True)
    created_at = fields.BigIntField()

    class Meta:
        """Looked up by the hash with each request."""

        table = "known_secret"


class RelayPresence(Model):
    """A relay that serves this database, and when it last said so."""

    owner = fields.CharField(max_length=80, primary_key=True)
    seen_at = fields.BigIntField()

    class Meta:
        """Read whole: it has a row for each relay."""

        table = "relay_presence"


class ActivityRegistration(Model):
    """The Live Activity of one session on one phone: its fence, its update token, and the newest state for it.

    `id` is made of secret, session and phone, so that a phone can have one activity of a session only; `device_token`
    is '' where the app did not say which phone it is, '*' where the row keeps the newest state of a session for a phone
    to come. `state` is what the card shall show, `due_at` when that may be
    pushed. Every write adds one to `revision` and holds only if nobody wrote meanwhile.
    """

    id = fields.CharField(max_length=36, primary_key=True)
    secret_hash = fields.CharField(max_length=64)
    session_id = fields.CharField(max_length=128)
    device_token = fields.CharField(max_length=512)
    activity_token = fields.CharField(max_length=512, null=True)
    bundle_id = fields.CharField(max_length=155)
    apns_env = fields.CharField(max_length=16)
    activity_format = fields.CharField(max_length=16)
    stage = fields.CharField(max_length=16)
    state = fields.TextField(null=True)
    alert = fields.TextField(null=True)
    ends = fields.BooleanField(default=False)
    event_id = fields.CharField(max_length=64, null=True)
    event_type = fields.CharField(max_length=32)
    due_at = fields.BigIntField(null=True)
    retry_at = fields.BigIntField(default=0)
    attempts = fields.IntField(default=0)
    pushed_status = fields.CharField(max_length=16, null=True)
    pushed_at = fields.BigIntField(default=0)
    timestamp = fields.BigIntField(default=0)
    priority_10_at = fields.CharField(max_length=255, default="[]")
    registered_at = fields.BigIntField(default=0)
    began_at = fields.BigIntField()
    ended_at = fields.BigIntField(default=0)
    status_at = fields.BigIntField(null=True)
    former_tokens = fields.TextField(null=True)
    dead_tokens = fields.TextField(null=True)
    unadopted = fields.IntField(null=True)
    starts_at = fields.CharField(max_length=512, null=True)
    clock_ahead = fields.IntField(null=True)
    updated_at = fields.BigIntField()
    lease_owner = fields.CharField(max_length=80, null=True)
    lease_until = fields.BigIntField(default=0)
    revision = fields.IntField(default=0)
    shard = fields.SmallIntField(null=True)

    class Meta:
        """Looked up by session, by what is due, and by age."""

        table = "activity_registration"
        indexes = (
            Index(fields=("secret_hash", "session_id")),
            Index(fields=("due_at",)),
            Index(fields=("began_at",)),
            Index(fields=("device_token",)),
        )


class DeliveryLog(Model):
    """One push of one event to one phone: the log, and, while `status` is queued, the outbox.

    `id` is the apns-id, the same on every try. A queued row is due at `due_at` and belongs to `lease_owner` until
    `lease_until`. `payload` is dropped when the row is settled: the log keeps no texts. `past_attempts`: those after which it was
    tried again, as JSON; NULL for nearly all rows. `shard` is that of the secret (`shards.py`); a relay of before wrote none.
    """

    id = fields.CharField(max_length=36, primary_key=True)
    secret_hash = fields.CharField(max_length=64)
    event_id = fields.CharField(max_length=64)
    event_type = fields.CharField(max_length=32)
    session_id = fields.CharField(max_length=128)
    device_id = fields.CharField(max_length=36)
    token_suffix = fields.CharField(max_length=8)
    apns_env = fields.CharField(max_length=16)
    topic = fields.CharField(max_length=255)
    push_type = fields.CharField(max_length=16)
    priority = fields.IntField()
    collapse_id = fields.CharField(max_length=64)
    expires_at = fields.BigIntField()
    payload = fields.TextField(null=True)
    status = fields.CharField(max_length=16)
    attempts = fields.IntField(default=0)
    http_status = fields.IntField(null=True)
    reason = fields.CharField(max_length=64, null=True)
    error = fields.CharField(max_length=1024, null=True)
    latency_ms = fields.IntField(null=True)
    due_at = fields.BigIntField()
    lease_owner = fields.CharField(max_length=80, null=True)
    lease_until = fields.BigIntField(default=0)
    created_at = fields.BigIntField()
    updated_at = fields.BigIntField()
    past_attempts = fields.TextField(null=True)
    shard = fields.SmallIntField(null=True)

    class Meta:
        """Looked up by secret and event, by what is due, of all or of one secret after the other, and by age."""

        table = "delivery_log"
        indexes = (
            Index(fields=("secret_hash", "event_id")),
            Index(fields=("status", "due_at")),
            Index(fields=("created_at",)),
            Index(fields=("status", "shard", "secret_hash", "due_at")),
        )


class PushHour(Model):
    """So many attempts of one kind ended within an hour at one relay: what the last day was like is read without reading its log.

    `hour_at` is its beginning (UTC ms). `id` is made of all the others but `number`, and of the relay's run.
    """

    id = fields.CharField(max_length=100, primary_key=True)
    hour_at = fields.BigIntField()
    push_type = fields.CharField(max_length=16)
    status = fields.CharField(max_length=16)
    reason = fields.CharField(max_length=64)
    number = fields.BigIntField()

    class Meta:
        """Looked up by age."""

        table = "push_hour"
        indexes = (Index(fields=("hour_at",)),)
