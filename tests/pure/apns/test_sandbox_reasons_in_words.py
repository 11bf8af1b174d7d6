"""Why a push was refused, beyond the row that it failed: the mistakes that are made most often are named."""

TOPIC = "com.example.app"


def test_a_device_token_of_the_other_environment_is_called_so(case) -> None:
    case.path = f"/3/device/{case.registry.mint_token(TOPIC, 'production')}"
    decision = case.decide()
    assert decision.response is not None
    assert decision.response.reason == "BadDeviceToken"
    assert decision.why == "the device token is of production, and this is sandbox"
    case.realm, case.path = "production", f"/3/device/{case.device}"
    assert case.decide().why == "the device token is of sandbox, and this is production"


def test_a_topic_that_no_app_has_is_named_and_a_long_one_is_cut(case) -> None:
    case.set("apns-topic", "com.nobody")
    assert case.decide().why == "no app here has the topic 'com.nobody'"
    case.set("apns-topic", "c" * 99)
    assert case.decide().why == f"no app here has the topic '{'c' * 60}…'"


def test_who_says_so_goes_with_it(case) -> None:
    case.set("apns-priority", "7")
    decision = case.decide()
    assert decision.source == "Apple: Sending notification requests to APNs"
    assert decision.confidence == "documented"
