"""The project: its root folder and its pipeline file.

The root is the nearest folder with a `pyproject.toml` above the pipeline file, else the file's
own folder. Sources and the store are resolved from it, so nothing depends on the caller's
working directory.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dagrun.engine.dispatching.amounts import SettingInvalid, read_amounts
from dagrun.engine.errors import DefinitionError, listing

DEFAULT_PIPELINE = "pipeline.py"
"""What `[tool.dagrun]` in pyproject.toml may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Where a pipeline lives; both paths are absolute. `limits` are those its settings declare."""

    root: Path
    pipeline: Path
    limits: Mapping[str, float] = field(default_factory=dict)


class PipelineMissing(DefinitionError):
    """There is no pipeline file where one was looked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        found = sorted(str(near.relative_to(path.parent)) for near in path.parent.glob("*.py"))
        super().__init__(
            f"no pipeline file {path}. Name one, set [tool.dagrun] pipeline in pyproject.toml, "
            f"or start with: dagrun init DIR. Python files there: {listing(found)}"
        )


def find_project(pipeline: str | Path | None, folder: Path) -> Project:
    """Find the pipeline file and its root, from what the user named and the current folder.

    Raises `PipelineMissing`, or `DefinitionError` for a broken `pyproject.toml`.
    """
    if pipeline is None:
        root = find_root(folder)
        named = read_settings(root).get("pipeline")
        path = root / named if isinstance(named, str) else folder / DEFAULT_PIPELINE
    else:
        path = folder / pipeline
        if path.is_dir():
            return find_project(None, path)
    path = path.resolve()
    if not path.is_file():
        raise PipelineMissing(path)
    root = find_root(path.parent)
    return Project(root=root, pipeline=path, limits=_read_limits(root))


def _read_limits(root: Path) -> dict[str, float]:
    try:
        return read_amounts(read_settings(root).get("limits", {}))
    except SettingInvalid as error:
        where = root / "pyproject.toml"
        raise DefinitionError(f"[tool.dagrun] limits in {where}: {error}") from None


def find_root(folder: Path) -> Path:
    """Return the nearest folder above (or at) `folder` with a `pyproject.toml`, else `folder`."""
    folder = folder.resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / "pyproject.toml").is_file():
            return candidate
    return folder


SETTINGS = ("hooks", "limits", "pipeline")


def read_settings(root: Path) -> dict[str, Any]:
    """Return `[tool.dagrun]` of the project at `root`, empty without one.

    Raises `DefinitionError` when it cannot be read or knows other names than `SETTINGS`.
    """
    path = root / "pyproject.toml"
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("dagrun", {})
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DefinitionError(f"{path} is not valid TOML: {error}") from error
    if not isinstance(settings, dict) or (unknown := sorted(set(settings) - {*SETTINGS})):
        found = listing(unknown) if isinstance(settings, dict) else "something else"
        raise DefinitionError(
            f"[tool.dagrun] in {path} knows only {listing(SETTINGS)}; found {found}"
        )
    return settings
