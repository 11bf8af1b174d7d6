"""Provider keys: issue one as the developer portal does, list them, revoke one."""

from simulator.apns.registry import Realm
from simulator.lab.control.route import Body, Call, Fields, Route


class NewKey(Body):
    """`team` None = the sandbox's own, `realm` None = both, `topics` None = all of the team's.

    `related_to` is the id of a key with which this one counts as one provider, as when a key is replaced.
    """

    team: str | None = None
    realm: Realm | None = None
    topics: list[str] | None = None
    related_to: str | None = None


def _key(call: Call, key_id: str) -> Fields:
    """Without the private half, which is told once."""
    key = call.lab.sandbox.registry.keys[key_id]
    return {
        "key_id": key.key_id,
        "team_id": key.team_id,
        "realm": key.realm,
        "topics": None if key.topics is None else sorted(key.topics),
        "related_to": key.related_to,
        "revoked": key.revoked,
    }


async def index(call: Call) -> Fields:
    """All keys."""
    return {"keys": [_key(call, key_id) for key_id in call.lab.keys]}


async def issue(call: Call) -> Fields:
    """A new key; this reply is the only one with its `private_key` (PKCS#8 PEM, the text of a .p8 file)."""
    body: NewKey = call.body
    topics = None if body.topics is None else frozenset(body.topics)
    key = call.lab.issue_key(body.team, realm=body.realm, topics=topics, related_to=body.related_to)
    return {"key": _key(call, key.key_id) | {"private_key": key.private_key}}


async def revoke(call: Call) -> Fields:
    """From now on 403 InvalidProviderToken for what it signs."""
    key_id = call.path["key_id"]
    call.lab.revoke_key(key_id)
    return {"key": _key(call, key_id)}


ROUTES = (
    Route("GET", "/control/keys", "provider keys", index),
    Route("POST", "/control/keys", "issue a key: team, realm, topics, related_to", issue, NewKey, status=201),
    Route("DELETE", "/control/keys/{key_id}", "revoke a key", revoke),
)
