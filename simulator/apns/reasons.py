"""Why APNs refuses a push: every reason with its status, read from Apple's "Handling notification responses from APNs"."""

from typing import Final, Literal, NamedTuple

Confidence = Literal["documented", "observed", "assumed"]

APPLE: Final = "Apple: Handling notification responses from APNs"
TOKENS: Final = "Apple: Establishing a token-based connection to APNs"
BROADCAST_ERRORS: Final = "Apple: Handling error responses from Apple Push Notification service"
HAPNS: Final = "GitHub alexandercerutti/hapns"


class Reason(NamedTuple):
    """One row: HTTP status, what it means, and who says so."""

    status: int
    meaning: str
    source: str = APPLE


REASONS: Final[dict[str, Reason]] = {
    "BadCollapseId": Reason(400, "the collapse id is empty or longer than 64 bytes"),
    "BadDeviceToken": Reason(400, "the token is malformed, unknown, or of the other environment"),
    "BadExpirationDate": Reason(400, "apns-expiration is not a UNIX time"),
    "BadMessageId": Reason(400, "apns-id is not a canonical UUID"),
    "BadPriority": Reason(400, "apns-priority is not 10, 5 or 1, or does not suit the push type"),
    "BadTopic": Reason(400, "apns-topic is not a topic at all"),
    "DeviceTokenNotForTopic": Reason(400, "the token belongs to another topic"),
    "DuplicateHeaders": Reason(400, "a header came more than once"),
    "IdleTimeout": Reason(400, "the connection was idle for too long"),
    "InvalidPushType": Reason(400, "apns-push-type is not one of Apple's values"),
    "MissingDeviceToken": Reason(400, "the path holds no token"),
    "MissingTopic": Reason(400, "apns-topic is required and absent"),
    "PayloadEmpty": Reason(400, "there is no payload"),
    "TopicDisallowed": Reason(400, "this provider may not push to this topic"),
    "BadCertificate": Reason(403, "the client certificate is invalid"),
    "BadCertificateEnvironment": Reason(403, "the client certificate is for the other environment"),
    "BadEnvironmentKeyIdInToken": Reason(
        403, "the key is for the other environment (Apple's spelling)", TOKENS
    ),
    "BadEnvironmentKeyInToken": Reason(
        403,
        "the key is for the other environment (spelling on the wire)",
        "GitHub swift-server-community/APNSwift PR 229",
    ),
    "ExpiredProviderToken": Reason(403, "the provider token is older than an hour"),
    "Forbidden": Reason(403, "the action is not allowed"),
    "InvalidProviderToken": Reason(403, "the provider token or its signature is not valid"),
    "MissingProviderToken": Reason(403, "neither a client certificate nor a provider token was given"),
    "UnrelatedKeyIdInToken": Reason(403, "the key is not related to the first key of the connection"),
    "BadPath": Reason(404, "the path is not one that APNs knows"),
    "MethodNotAllowed": Reason(405, "the method is not POST"),
    "ExpiredToken": Reason(410, "the device token has expired"),
    "Unregistered": Reason(410, "the device token is no longer active for the topic"),
    "PayloadTooLarge": Reason(413, "the payload is over its limit"),
    "TooManyProviderTokenUpdates": Reason(429, "provider tokens change too often on this connection"),
    "TooManyRequests": Reason(429, "too many pushes in a row to the same token"),
    "InternalServerError": Reason(500, "APNs failed"),
    "ServiceUnavailable": Reason(503, "APNs is not available"),
    "Shutdown": Reason(503, "this APNs server is shutting down"),
    # Broadcast channels only.
    "BadChannelId": Reason(400, "apns-channel-id is not base64", BROADCAST_ERRORS),
    "BadRequestParams": Reason(400, "a parameter of the request is invalid", BROADCAST_ERRORS),
    "BadRequestPayload": Reason(400, "the body cannot be read", BROADCAST_ERRORS),
    "CannotCreateChannelConfig": Reason(400, "the app has as many channels as it may", BROADCAST_ERRORS),
    "ChannelNotRegistered": Reason(400, "there is no such channel in this environment", BROADCAST_ERRORS),
    "FeatureNotEnabled": Reason(400, "the app lacks the broadcast capability", BROADCAST_ERRORS),
    "MissingChannelId": Reason(400, "apns-channel-id is required and absent", BROADCAST_ERRORS),
    "MissingChannelQueueSize": Reason(400, "message-storage-policy is absent or no policy", HAPNS),
    "MissingPushType": Reason(400, "the push type is required and absent", BROADCAST_ERRORS),
    "TopicMismatch": Reason(403, "the client certificate is not for this topic", BROADCAST_ERRORS),
}
