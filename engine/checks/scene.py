"""A scene: a project's files as they were for an earlier run, in a folder of their own.

Guarantee: nothing of the project, its repository or its store is changed. Files that git has come
from the commit; what a source read and git does not have is linked, if it is still where it was
(whether it is still what it was is told by its digest, not here). The limits: a submodule and what
git keeps elsewhere (LFS) are not fetched; a scene of the working tree leaves out hidden folders and
virtual environments.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from dagrun.engine.project import Project

COPIED = 1 << 20
"""Bytes up to which a file of the working tree is copied; a larger one is linked."""
_LEFT_OUT = ("__pycache__", "node_modules")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A project laid out anew; `origin` says from what: a commit, or the working tree."""

    project: Project
    origin: str


def scene_of_commit(project: Project, file: str, commit: str, folder: Path) -> Scene | None:
    """Lay out the project as a commit has it; None when git does not know that commit here.

    Args:
        project: where the project is now.
        file: its pipeline file, relative to the root.
        commit: a commit's full name.
        folder: a new folder.
    """
    command = ["git", "-C", str(project.root), "archive", "--format=tar", commit]
    try:
        found = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return None
    if found.returncode != 0:
        return None
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        # Python 3.11 has no filters before its fourth patch.
        archive.extraction_filter = getattr(tarfile, "tar_filter", None)
        archive.extractall(folder)
    return Scene(project=_moved(project, file, folder), origin=f"commit {commit[:7]}")


def scene_of_tree(project: Project, file: str, folder: Path) -> Scene:
    """Lay out the project as it is now."""
    folder.mkdir(parents=True)
    for name, _, files in _walk(project.root):
        to = folder / name.relative_to(project.root)
        to.mkdir(exist_ok=True)
        for each in files:
            source = name / each
            if source.suffix == ".py" or source.stat().st_size <= COPIED:
                shutil.copy2(source, to / each)
            else:
                (to / each).symlink_to(source)
    return Scene(project=_moved(project, file, folder), origin="the working tree")


def bring(scene: Scene, root: Path, names: Iterable[str]) -> None:
    """Link files that a source read beneath the project's `root` and the scene does not have."""
    for name in names:
        there, here = root / name, scene.project.root / name
        inside = not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
        if inside and there.is_file() and not here.exists():
            here.parent.mkdir(parents=True, exist_ok=True)
            here.symlink_to(there)


def _moved(project: Project, file: str, root: Path) -> Project:
    return replace(project, root=root, pipeline=root / file)


def _walk(root: Path) -> Iterable[tuple[Path, list[str], list[str]]]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in _LEFT_OUT
            and not (Path(folder) / name / "pyvenv.cfg").exists()
        )
        yield Path(folder), folders, [name for name in files if (Path(folder) / name).is_file()]
