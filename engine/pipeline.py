"""Pipelines: the stages that a Python file defines or imports.

Loading executes the file as an ordinary module, with its folder and the project root on
`sys.path`. Loading again forgets the project's modules first, so that an edit is seen; stages
of an earlier load keep working, as objects of the modules they came from.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from dagrun.engine.code.imports import execute_file, is_installed, use_sources
from dagrun.engine.errors import DefinitionError, listing, nearest
from dagrun.engine.project import Project
from dagrun.engine.sources import Files
from dagrun.engine.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A named set of stages, in the order of their definition."""

    name: str
    project: Project
    stages: Mapping[str, Stage[..., Any]]


class PipelineBroken(DefinitionError):
    """Executing the pipeline file raised; `__cause__` says what."""

    def __init__(self, path: Path, error: BaseException) -> None:
        self.path = path
        frames = traceback.extract_tb(error.__traceback__)
        ours = ("<frozen importlib", str(Path(__file__).parent))
        theirs = [frame for frame in frames if not frame.filename.startswith(ours)]
        at = f"{theirs[-1].filename}:{theirs[-1].lineno}" if theirs else str(path)
        if isinstance(error, SyntaxError) and error.filename:
            at = f"{error.filename}:{error.lineno}"
        super().__init__(f"cannot load {path}: {type(error).__name__}: {error} (at {at})")


class DuplicateStage(DefinitionError):
    """Two stages have the same name."""

    def __init__(self, name: str, first: str, second: str) -> None:
        self.name = name
        super().__init__(f"two stages are named {name!r}: {first} and {second}; rename one")


def load_pipeline(project: Project) -> Pipeline:
    """Execute the pipeline file and collect its stages.

    Raises `PipelineBroken` if it does not load, `DuplicateStage`, or `DefinitionError` when it
    defines no stage.
    """
    module = _import_file(project)
    stages: dict[str, Stage[..., Any]] = {}
    for value in vars(module).values():
        if isinstance(value, Stage):
            known = stages.setdefault(value.name, value)
            if known is not value:
                raise DuplicateStage(value.name, known.where, value.where)
    if not stages:
        raise DefinitionError(f"{project.pipeline} defines no stage; decorate a function: @stage")
    return Pipeline(name=_name(project), project=project, stages=stages)


def _name(project: Project) -> str:
    stem = project.pipeline.stem
    return project.pipeline.parent.name if stem == "pipeline" else stem


def _import_file(project: Project) -> ModuleType:
    for folder in (str(project.root), str(project.pipeline.parent)):
        if folder in sys.path:
            sys.path.remove(folder)
        sys.path.insert(0, folder)
    use_sources()
    importlib.invalidate_caches()
    _forget_modules(project.root)
    name = project.pipeline.stem
    if name in sys.modules or name in sys.stdlib_module_names:
        name = f"dagrun_pipeline_{name}"
    try:
        module = execute_file(name, project.pipeline)
    except DefinitionError:
        raise
    except (Exception, SystemExit) as error:
        raise PipelineBroken(project.pipeline, error) from error
    _LOADED.append(str(project.root))
    return module


_LOADED: list[str] = []


def _forget_modules(root: Path) -> None:
    """Drop modules of this project, and of earlier ones, whose names might mean other files."""
    roots = {str(root), *_LOADED}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not file or name.partition(".")[0] in ("dagrun", "__main__"):
            continue
        if not is_installed(file) and any(file.startswith(f"{home}/") for home in roots):
            del sys.modules[name]


class UnknownParam(DefinitionError):
    """A `stage.param=value` setting names something that does not exist."""

    def __init__(self, name: str, where: str, known: list[str], kind: str) -> None:
        self.name = name
        super().__init__(
            f"no {kind} named {name!r} in {where}.{nearest(name, known)}\n"
            f"       {kind}s: {listing(known)}"
        )


def read_overrides(pipeline: Pipeline, settings: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Turn `{"stage.param": "text"}` into `{stage: {param: value}}`, typed by the defaults.

    Raises `UnknownParam`, or `DefinitionError` for a value that cannot be read.
    """
    overrides: dict[str, dict[str, Any]] = {}
    for setting, text in settings.items():
        stage_name, _, param = setting.partition(".")
        stage = pipeline.stages.get(stage_name)
        if stage is None:
            known = list(pipeline.stages)
            raise UnknownParam(stage_name, str(pipeline.project.pipeline), known, "stage")
        if param not in stage.params:
            raise UnknownParam(param, f"stage {stage_name!r}", list(stage.params), "param")
        read = _parse_swept if param in stage.swept else _parse
        value = read(setting, text, stage.params[param])
        overrides.setdefault(stage_name, {})[param] = value
    return overrides


def _parse_swept(setting: str, text: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Read the values of a swept param: a JSON list, or one value."""
    like = values[0] if values else None
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, list):
        return (_parse(setting, text, like),)
    texts = [item if isinstance(item, str) else json.dumps(item) for item in given]
    return tuple(_parse(setting, each, like) for each in texts)


def _parse(setting: str, text: str, default: Any) -> Any:
    if isinstance(default, Files):
        return Files(*text.split(","), package=default.package)
    if isinstance(default, str):
        return text
    try:
        value = json.loads({"True": "true", "False": "false", "None": "null"}.get(text, text))
    except ValueError:
        value = text
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(value)
    if default is not None and value is not None and type(value) is not type(default):
        raise DefinitionError(
            f"{setting}={text!r} is not of the default's type {type(default).__name__} "
            f"(default: {default!r})"
        )
    return value
