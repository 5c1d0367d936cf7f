"""The gRPC server: handlers, models, health, reflection."""

from dagrun.server.serving.models import Models, NoModels, ServedModel, load
from dagrun.server.serving.server import CannotListen, Server, serve
from dagrun.server.serving.settings import ServerSettings

__all__ = [
    "CannotListen",
    "Models",
    "NoModels",
    "ServedModel",
    "Server",
    "ServerSettings",
    "load",
    "serve",
]
