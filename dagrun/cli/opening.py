"""What commands start from: a workspace with its pipeline, or the store alone."""

from __future__ import annotations

import sys
from pathlib import Path

from dagrun.engine.code.imports import use_sources
from dagrun.engine.errors import DefinitionError
from dagrun.engine.project import (
    DEFAULT_PIPELINE,
    PipelineMissing,
    Project,
    find_project,
    find_root,
)
from dagrun.engine.store.store import Store


class NoStore(DefinitionError):
    """The project has no store yet."""

    def __init__(self, root: Path) -> None:
        self.root = root
        super().__init__(
            f"there is no store in {root}: nothing has run there. Make one with: dagrun run, "
            "or name a pipeline of another project with: -f PIPELINE"
        )


def open_store(pipeline: str | None) -> Store:
    """Open the store of the project that `pipeline` (default: the current folder) is in.

    The pipeline is not loaded. Raises `NoStore`, `PipelineMissing` or `StoreError`.
    """
    return Store.open(store_folder(pipeline).parent)


def store_folder(pipeline: str | None) -> Path:
    """Find the folder of that store, opening nothing. Raises `NoStore` or `PipelineMissing`."""
    try:
        root = find_project(pipeline, Path.cwd()).root
    except PipelineMissing:
        if pipeline is not None:
            raise
        root = find_root(Path.cwd())
    folder = root / ".dagrun"
    if not folder.is_dir():
        raise NoStore(root)
    return folder


def find_home(pipeline: str | None) -> Project:
    """Find the project that `pipeline` (default: the current folder) is in.

    It need not have the default pipeline file. Raises `PipelineMissing` when `pipeline` is given.
    """
    try:
        return find_project(pipeline, Path.cwd())
    except PipelineMissing:
        if pipeline is not None:
            raise
        root = find_root(Path.cwd())
        return Project(root=root, pipeline=root / DEFAULT_PIPELINE)


def use_project(pipeline: str | None) -> Path:
    """Let the modules of that project be imported, and return its root; nothing is loaded.

    So the ops that a project defines are found when a spec names them. Raises `PipelineMissing`
    when `pipeline` is given and is none.
    """
    folders = project_folders(pipeline)
    for folder in map(str, folders):
        if folder in sys.path:
            sys.path.remove(folder)
        sys.path.insert(0, folder)
    use_sources()
    return folders[0]


def project_folders(pipeline: str | None) -> list[Path]:
    """Return the folders of a project that modules are imported from, its root first.

    Raises `PipelineMissing` when `pipeline` is given and is none.
    """
    try:
        project = find_project(pipeline, Path.cwd())
    except PipelineMissing:
        if pipeline is not None:
            raise
        return [find_root(Path.cwd())]
    return [project.root, project.pipeline.parent]
