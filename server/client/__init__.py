"""The typed client."""

from dagrun.server.client.answer import Answer, ColumnInfo, ModelInfo
from dagrun.server.client.client import Client
from dagrun.server.client.errors import (
    CallFailed,
    DeadlinePassed,
    ModelUnknown,
    RequestInvalid,
    ServerBusy,
    ServerFailed,
    ServerUnreachable,
    Violation,
)
from dagrun.server.client.values import ValueUnsupported

__all__ = [
    "Answer",
    "CallFailed",
    "Client",
    "ColumnInfo",
    "DeadlinePassed",
    "ModelInfo",
    "ModelUnknown",
    "RequestInvalid",
    "ServerBusy",
    "ServerFailed",
    "ServerUnreachable",
    "ValueUnsupported",
    "Violation",
]
