"""The typed client, for threads and for event loops."""

from dagrun.server.client.answer import Answer, ArmInfo, ColumnInfo, ModelInfo
from dagrun.server.client.asynchronous import AsyncClient
from dagrun.server.client.channels import CredentialsUnreadable
from dagrun.server.client.client import Client
from dagrun.server.client.errors import (
    CallFailed,
    ClientClosed,
    ClientForked,
    DeadlinePassed,
    MessageTooLarge,
    MethodUnknown,
    ModelUnknown,
    NotAllowed,
    RequestInvalid,
    ServerBusy,
    ServerFailed,
    ServerUnreachable,
    Violation,
)
from dagrun.server.client.exchange import ScoredTable
from dagrun.server.client.explanation import Explanation
from dagrun.server.client.settings import (
    ClientSettingInvalid,
    ClientSettings,
    Tls,
    TokenUnprotected,
)
from dagrun.server.client.values import KeysUnmatched, ValueUnsupported

__all__ = [
    "Answer",
    "ArmInfo",
    "AsyncClient",
    "CallFailed",
    "Client",
    "ClientClosed",
    "ClientForked",
    "ClientSettingInvalid",
    "ClientSettings",
    "ColumnInfo",
    "CredentialsUnreadable",
    "DeadlinePassed",
    "Explanation",
    "KeysUnmatched",
    "MessageTooLarge",
    "MethodUnknown",
    "ModelInfo",
    "ModelUnknown",
    "NotAllowed",
    "RequestInvalid",
    "ScoredTable",
    "ServerBusy",
    "ServerFailed",
    "ServerUnreachable",
    "Tls",
    "TokenUnprotected",
    "ValueUnsupported",
    "Violation",
]
