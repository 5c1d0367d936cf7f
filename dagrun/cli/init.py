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


def init(*, folder: str) -> int:
    """Write the files. Raises `AlreadyThere` before any is."""
    root = Path(folder)
    if present := [name for name in FILES if (root / name).exists()]:
        raise AlreadyThere(root, present)
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        show(f"wrote {path}")
    where = "" if root.resolve() == Path.cwd() else f"cd {root} && "
    show(f"next: {where}dagrun run")
    return 0
