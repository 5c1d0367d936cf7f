"""`dagrun spec check`: lint and prove the feature sets and ops of a project, or a fitted spec."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

from dagrun.cli.documents import show_document
from dagrun.cli.models import DIFFERENT
from dagrun.cli.opening import use_project
from dagrun.cli.spec_source import find_spec
from dagrun.engine.code.imports import is_installed
from dagrun.engine.errors import DagrunError, DefinitionError, listing, nearest
from dagrun.engine.pipeline import load_pipeline
from dagrun.engine.project import PipelineMissing, find_project
from dagrun.stages.features import Feature, FeatureSet, Op
from dagrun.stages.ops.custom import place_of
from dagrun.stages.proof.checking import Checked, check_feature, check_spec
from dagrun.ui.checked import checked_lines, header, unchecked_line
from dagrun.ui.terminal import show, tell

REFUSED = 2
_PLACE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

Checkable = FeatureSet | tuple[Feature, ...] | Op


class NothingToCheck(DefinitionError):
    """A project or a name holds neither features nor an op."""

    def __init__(self, where: str, problem: str) -> None:
        self.where, self.problem = where, problem
        super().__init__(
            f"{where} {problem}. Name what to check: dagrun spec check MODULE:NAME; NAME is a "
            "feature set, the features of a constructor, or an op with its settings"
        )


class NoSuchName(DefinitionError):
    """A module has no such name."""

    def __init__(self, module: str, name: str, known: list[str]) -> None:
        self.module, self.name, self.known = module, name, tuple(known)
        super().__init__(
            f"the module {module} has no {name!r}.{nearest(name, known)} "
            f"Feature sets and ops there: {listing(known)}"
        )


def check(*, name: str | None, examples: int, pipeline: str | None, as_json: bool) -> int:
    """Check what is named, or all feature sets of the project. Raises `DefinitionError`."""
    found: list[Checked] = []
    unchecked: list[type[Op]] = []
    if name is not None and not _PLACE.fullmatch(name):
        source = find_spec(name, pipeline)
        _tell(header(source.label), as_json)
        found.append(check_spec(source.spec, source.label, examples=examples))
        _tell("\n".join(checked_lines(found[-1:])), as_json)
    else:
        named = _of_project(pipeline) if name is None else [_named(name, pipeline)]
        for label, what in named:
            _tell(header(label), as_json)
            for one in _features(what):
                declared = what if isinstance(what, FeatureSet) else None
                found.append(check_feature(one, declared, examples=examples))
                _tell("\n".join(checked_lines(found[-1:])), as_json)
        if name is None:
            unchecked = _left_out(pipeline, found)
    for kind in unchecked:
        _tell(unchecked_line(str(place_of(kind))), as_json)
    if as_json:
        document = [_document(one) for one in found]
        show_document({"checked": document, "unchecked": [place_of(kind) for kind in unchecked]})
    verdicts = {one.verdict for one in found}
    if "differs" in verdicts:
        return DIFFERENT
    return REFUSED if "refused" in verdicts else 0


def _tell(text: str, as_json: bool) -> None:
    (tell if as_json else show)(text)


def _document(checked: Checked) -> dict[str, Any]:
    return {"verdict": checked.verdict, **asdict(checked)}


def _features(what: Checkable) -> list[Feature | Op]:
    if isinstance(what, Op):
        return [what]
    return list(what.features if isinstance(what, FeatureSet) else what)


def _of_project(pipeline: str | None) -> list[tuple[str, Checkable]]:
    """Return the feature sets that the pipeline and the modules it imports define."""
    project = find_project(pipeline, Path.cwd())
    load_pipeline(project)
    found: dict[int, tuple[str, Checkable]] = {}
    for module in _modules(project.root):
        for name, value in list(vars(module).items()):
            if isinstance(value, FeatureSet):
                found.setdefault(id(value), (f"{module.__name__}:{name}", value))
    if not found:
        where = str(project.pipeline)
        raise NothingToCheck(where, "and the modules it imports define no feature set by a name")
    return list(found.values())


def _modules(root: Path) -> Iterator[ModuleType]:
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and Path(file).is_relative_to(root) and not is_installed(file):
            yield module


def _left_out(pipeline: str | None, found: list[Checked]) -> list[type[Op]]:
    """Return the ops of the project that no checked feature is made of."""
    root = find_project(pipeline, Path.cwd()).root
    used = " ".join(op for checked in found for op in checked.ops)
    kinds = {
        value: None
        for module in _modules(root)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Op) and not inspect.isabstract(value)
    }
    return [
        kind
        for kind in kinds
        if hasattr(kind, "op") and (place := place_of(kind)) and f"({place})" not in used
    ]


def _named(name: str, pipeline: str | None) -> tuple[str, Checkable]:
    module_name, _, attribute = name.partition(":")
    try:
        load_pipeline(find_project(pipeline, Path.cwd()))
    except PipelineMissing:
        use_project(pipeline)
    try:
        module = importlib.import_module(module_name)
    except DagrunError:
        raise
    except Exception as error:  # whatever a module of the project does when it is imported
        told = f"cannot be imported ({type(error).__name__}: {error})"
        raise NothingToCheck(module_name, told) from error
    if not hasattr(module, attribute):
        known = [key for key, value in vars(module).items() if _checkable(value) is not None]
        raise NoSuchName(module_name, attribute, known)
    what = _checkable(getattr(module, attribute))
    if what is None:
        raise NothingToCheck(name, "is neither a feature set, nor features, nor an op")
    return name, what


def _checkable(value: object) -> Checkable | None:
    if isinstance(value, FeatureSet | Op):
        return value
    if isinstance(value, Feature):
        return (value,)
    if isinstance(value, tuple) and value and all(isinstance(one, Feature) for one in value):
        return value
    if isinstance(value, type) and issubclass(value, Op) and value is not Op:
        try:
            return value()
        except TypeError:  # it has settings, which only an instance has
            return None
    return None
