"""How commands come to a bundle: a name or a file, and the registry of a project."""

from __future__ import annotations

from dagrun.cli.naming import DIFFERENT, NoSuchFile, find_source
from dagrun.cli.opening import open_store
from dagrun.stages.bundle import Registry

__all__ = ["DIFFERENT", "NoSuchFile", "find_source", "open_registry"]


def open_registry(pipeline: str | None) -> Registry:
    """Open the registry of a project's store. Raises as `open_store` does."""
    return Registry(open_store(pipeline))
