"""The relay's routes as data: the app, its OpenAPI document and the pages are made from it."""

from typing import Final

from relay.answers import Acknowledge, Answer, AnswerRefusal, Answers, AnswerTaken, FetchAnswers
from relay.contract import (
    ActivityRegister,
    ActivityUnregister,
    DeviceRegister,
    DeviceUnregister,
    Event,
    EventReply,
    Health,
    Ok,
    PhonesReply,
    SecretForget,
    SecretPhones,
)
from relay.openapi import Route

REGISTER_DEVICE: Final = Route(
    method="POST",
    path="/v1/device/register",
    summary="this phone wants the alerts of this secret",
    body=DeviceRegister,
    reply=Ok,
)
UNREGISTER_DEVICE: Final = Route(
    method="POST",
    path="/v1/device/unregister",
    summary="this phone no longer wants them",
    body=DeviceUnregister,
    reply=Ok,
)
REGISTER_ACTIVITY: Final = Route(
    method="POST",
    path="/v1/activity/register",
    summary="the update token of a session's Live Activity on a phone, new or rotated",
    body=ActivityRegister,
    reply=Ok,
)
UNREGISTER_ACTIVITY: Final = Route(
    method="POST",
    path="/v1/activity/unregister",
    summary="the phone ended the Live Activity itself",
    body=ActivityUnregister,
    reply=Ok,
)
COUNT_PHONES: Final = Route(
    method="POST",
    path="/v1/secret/phones",
    summary="how many phones there are under this secret",
    body=SecretPhones,
    reply=PhonesReply,
)
FORGET_SECRET: Final = Route(
    method="POST",
    path="/v1/secret/forget",
    summary="delete all that is kept of this secret, and refuse it from now on if wanted",
    body=SecretForget,
    reply=PhonesReply,
)
EVENT: Final = Route(
    method="POST",
    path="/v1/event",
    summary="something happened in a session",
    body=Event,
    reply=EventReply,
)
ANSWER: Final = Route(
    method="POST",
    path="/v1/answer",
    summary="what a person says to a request that waits, once",
    body=Answer,
    reply=AnswerTaken,
    others={202: (AnswerTaken,), 409: (AnswerRefusal,)},
)
FETCH_ANSWERS: Final = Route(
    method="POST",
    path="/v1/answers",
    summary="the answers that the bridge has not acknowledged; waits up to 25 s for one",
    body=FetchAnswers,
    reply=Answers,
)
ACKNOWLEDGE_ANSWER: Final = Route(
    method="POST",
    path="/v1/answers/ack",
    summary="the bridge is through with an answer",
    body=Acknowledge,
    reply=Ok,
)
HEALTH: Final = Route(
    method="GET",
    path="/health",
    summary="the relay and its database work",
    reply=Health,
)
ROUTES: Final = (
    REGISTER_DEVICE,
    UNREGISTER_DEVICE,
    REGISTER_ACTIVITY,
    UNREGISTER_ACTIVITY,
    COUNT_PHONES,
    FORGET_SECRET,
    EVENT,
    ANSWER,
    FETCH_ANSWERS,
    ACKNOWLEDGE_ANSWER,
    HEALTH,
)
