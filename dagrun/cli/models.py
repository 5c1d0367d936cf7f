"""How a command line names a bundle: by the registry, or as a file."""

from __future__ import annotations

import os
from pathlib import Path

from dagrun.cli.opening import open_store
from dagrun.engine.errors import DefinitionError
from dagrun.stages.bundle import Registry

DIFFERENT = 5
"""Exit code when golden rows do not give the bits that the bundle was exported with."""


class NoSuchFile(DefinitionError):
    """A bundle was named as a file that is not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"there is no file {path}. To take a model from the registry, give its name "
            "(see: dagrun registry list)"
        )


def find_source(name: str) -> Path | str:
    """Return the path of a bundle's file, or the name as the registry knows it.

    Raises `NoSuchFile` for what is written as a path and is none.
    """
    path = Path(name)
    if path.is_file():
        return path
    if os.sep in name:
        raise NoSuchFile(path)
    return name


def open_registry(pipeline: str | None) -> Registry:
    """Open the registry of a project's store. Raises as `open_store` does."""
    return Registry(open_store(pipeline))
