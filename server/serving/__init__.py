"""The gRPC server: handlers, models, health, reflection.

Names are imported when they are first used: settings alone pull in nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagrun.server.serving.listening import CannotListen
    from dagrun.server.serving.models import Models, NoModels, ServedModel, load
    from dagrun.server.serving.server import Server
    from dagrun.server.serving.settings import ServerSettings

__all__ = [
    "CannotListen",
    "Models",
    "NoModels",
    "ServedModel",
    "Server",
    "ServerSettings",
    "load",
]

_HOMES = {
    "CannotListen": "listening",
    "Models": "models",
    "NoModels": "models",
    "ServedModel": "models",
    "Server": "server",
    "ServerSettings": "settings",
    "load": "models",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
