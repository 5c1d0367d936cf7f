"""`dagrun init`: a pipeline to start from. It overwrites nothing."""

from __future__ import annotations

from pathlib import Path

from dagrun.cli.starter import FILES
from dagrun.engine.errors import DefinitionError, listing
from dagrun.ui.terminal import show


class AlreadyThere(DefinitionError):
    """Files that would be written exist."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.folder, self.names = folder, tuple(names)
        super().__init__(
            f"{folder} already has {listing(names)}; nothing was written. Name another folder"
        )


class CannotWrite(DefinitionError):
    """The folder cannot be written to."""

    def __init__(self, folder: Path, error: OSError) -> None:
        self.folder, self.error = folder, error
        super().__init__(f"cannot write into {folder}: {error.strerror or error}")


def init(*, folder: str) -> int:
    """Write the files. Raises `AlreadyThere` before any is, `CannotWrite` if one cannot be."""
    root = Path(folder)
    if present := [name for name in FILES if (root / name).exists()]:
        raise AlreadyThere(root, present)
    try:
        for name, text in FILES.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotWrite(root, error) from error
    for name in FILES:
        show(f"wrote {root / name}")
    where = "" if root.resolve() == Path.cwd() else f"cd {root} && "
    show(f"next: {where}dagrun run")
    return 0
