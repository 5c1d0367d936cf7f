"""How a command line names a bundle: as the registry does, or as a file."""

from __future__ import annotations

import os
from pathlib import Path

from dagrun.engine.errors import DefinitionError

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
