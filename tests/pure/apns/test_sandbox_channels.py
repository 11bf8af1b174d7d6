"""Channels and their subscribers: separate by realm and app, with ids in base64."""

import base64
from random import Random

import pytest

from simulator.apns.channels.registry import Channels, is_channel_id
from simulator.apns.delivery.device import AlwaysOnline
from simulator.apns.errors import SandboxError, UnknownChannel

APP, OTHER = "com.example.app", "com.example.other"
PHONE, TABLET = AlwaysOnline(print, "iPhone"), AlwaysOnline(print, "iPad")


@pytest.fixture
def channels() -> Channels:
    return Channels(Random(4))


def test_a_channel_keeps_what_it_was_made_with(channels: Channels) -> None:
    channel_id = channels.create("sandbox", APP, 1, 5.0)
    channel = channels.channel(channel_id)
    assert (channel.channel_id, channel.realm, channel.bundle_id) == (channel_id, "sandbox", APP)
    assert (channel.policy, channel.created_at, channel.subscriptions) == (1, 5.0, [])
    assert len(base64.b64decode(channel_id, validate=True)) == 16


def test_a_deleted_channel_is_gone(channels: Channels) -> None:
    channel_id = channels.create("sandbox", APP, 0, 5.0)
    channels.delete("sandbox", APP, channel_id)
    assert channels.ids("sandbox", APP) == []
    for attempt in (
        lambda: channels.delete("sandbox", APP, channel_id),
        lambda: channels.channel(channel_id),
        lambda: channels.subscribe(channel_id, PHONE),
        lambda: channels.unsubscribe(channel_id, PHONE),
    ):
        with pytest.raises(UnknownChannel) as caught:
            attempt()
        assert isinstance(caught.value, SandboxError)


def test_a_device_listens_once_for_each_of_its_activities(channels: Channels) -> None:
    channel_id = channels.create("sandbox", APP, 0, 5.0)
    for device, activity in [(PHONE, "a"), (PHONE, "a"), (PHONE, "b"), (TABLET, "a")]:
        channels.subscribe(channel_id, device, activity)
    channel = channels.channel(channel_id)
    assert channel.subscriptions == [(PHONE, "a"), (PHONE, "b"), (TABLET, "a")]
    channels.unsubscribe(channel_id, PHONE, "a")
    channels.unsubscribe(channel_id, PHONE, "never")
    assert channel.subscriptions == [(PHONE, "b"), (TABLET, "a")]


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("dHN0LXNyY2gtY2hubA==", True),
        ("AAAA", True),
        ("", False),
        ("%%%", False),
        ("AAA", False),
        ("é", False),
    ],
)
def test_an_id_is_base64(text: str, good: bool) -> None:
    assert is_channel_id(text) is good
