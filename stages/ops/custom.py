"""Ops that a project defines for itself: where documents find them, and whether they changed.

Guarantee: a document names such an op by its name, version and `module:class`, and records a
digest of each piece of the project's code that the op reaches. Reading it gives the op only if it
can be imported, has that version, and its code is what it was. A document, which may be anyone's,
makes no module be imported but one whose text defines an op of that class and name. The limit:
code of installed distributions is not recorded, golden rows decide there.
"""

from __future__ import annotations

import ast
import pkgutil
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path

from dagrun.engine.code.closure import code_version
from dagrun.engine.errors import DagrunError, listing
from dagrun.engine.project import find_root
from dagrun.stages.ops.catalog import OPS
from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.op import Op
from dagrun.stages.ops.table import Table

_PLACE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_KEPT = 32
"""Hexadecimal digits kept of a digest."""


class OpNotFound(DagrunError):
    """A document names an op of a project that cannot be imported here."""

    def __init__(self, op: str, place: str, problem: str) -> None:
        self.op, self.place, self.problem = op, place, problem
        super().__init__(
            f"the feature spec uses the op {op!r}, defined by a project as {place}, which cannot "
            f"be imported here: {problem}. Run the command inside that project (or name it with "
            "-f), or install the package that defines the op"
        )


class OpVersionDiffers(DagrunError):
    """A document was written with another version of a project's op."""

    def __init__(self, op: str, place: str, wanted: object, found: int) -> None:
        self.op, self.place, self.wanted, self.found = op, place, wanted, found
        super().__init__(
            f"the feature spec uses version {wanted} of the op {op!r}, {place} is version {found}. "
            "Check out the code it was fitted with, or fit it again"
        )


class OpChanged(DagrunError):
    """A project's op was edited, under the same version, after a spec was fitted with it."""

    def __init__(self, op: str, place: str, version: int, changed: Iterable[str]) -> None:
        self.op, self.place, self.version, self.changed = op, place, version, tuple(changed)
        super().__init__(
            f"the op {op!r} ({place}) was edited after the feature spec was fitted, but is version "
            f"{version} still. Changed: {listing(self.changed)}. Undo the edit to use this spec; "
            f"to keep it, set version = {version + 1} in the class and fit again"
        )


def place_of(kind: type[Op]) -> str | None:
    """Return `module:class` of a project's op, None for an op of dagrun."""
    if OPS.get(getattr(kind, "op", "")) is kind:
        return None
    return f"{kind.__module__}:{kind.__qualname__}"


def check(op: Op, feature: str) -> None:
    """Raise `FeatureDefinitionError` unless a project's op can be written down and found again."""
    kind = type(op)
    place = place_of(kind)
    if place is None:
        return
    for problem in _problems(op, kind, place):
        raise FeatureDefinitionError(feature, f"its op {kind.__qualname__} {problem}")


def _problems(op: Op, kind: type[Op], place: str) -> Iterable[str]:
    name = getattr(kind, "op", None)
    if not isinstance(name, str) or not name:
        yield 'has no name; give the class one: op = "..."'
    elif name in OPS:
        yield f"has the name {name!r}, which is an op of dagrun; choose another"
    if "__dataclass_fields__" not in vars(kind):
        yield "is no dataclass; decorate it: @dataclass(frozen=True, slots=True, kw_only=True)"
    if not (kind.__doc__ or "").strip() or (kind.__doc__ or "").startswith(f"{kind.__name__}("):
        yield "has no docstring; say what it computes and what it does with null"
    if kind.__module__ == "__main__" or kind.__module__.startswith("dagrun_pipeline_"):
        yield f"stands in {kind.__module__}, which cannot be imported; move it to a module"
    if not _PLACE.fullmatch(place):
        yield f"is defined inside a function ({place}); move it to the top of a module"
    for field in fields(op):
        if not _is_plain(getattr(op, field.name)):
            yield (
                f"holds a {type(getattr(op, field.name)).__name__} in {field.name!r}; documents "
                "hold None, bool, int, float, str, Table, and tuples of these"
            )


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple):
        return all(_is_plain(item) for item in value)
    return value is None or type(value) in (bool, int, float, str, Table)


@lru_cache(maxsize=256)
def code_of(kind: type[Op]) -> Mapping[str, str]:
    """Return the digest of each piece of its project's code that an op reaches, by name.

    Empty for an op of an installed distribution. Raises `OpaqueObject` or `SourceChanged`.
    """
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    root = find_root(Path(file).parent) if file else Path.cwd()
    reached = code_version(kind, root, kind.op).symbols
    return {
        name: digest[:_KEPT]
        for name, digest in reached.items()
        if not name.startswith(("builtins:", "dagrun."))
    }


def find(name: str, version: object, place: str, code: Mapping[str, str]) -> type[Op]:
    """Return the class of a project's op as a document names it.

    Raises `OpNotFound`, `OpVersionDiffers` or `OpChanged`.
    """
    kind = _imported(name, place)
    if version != kind.version:
        raise OpVersionDiffers(name, place, version, kind.version)
    now = code_of(kind)
    changed = [one for one in sorted({*code, *now}) if code.get(one) != now.get(one)]
    if changed:
        raise OpChanged(name, place, kind.version, changed)
    return kind


def _imported(name: str, place: str) -> type[Op]:
    module, _, qualname = place.partition(":")
    if not _PLACE.fullmatch(place):
        raise OpNotFound(name, place, "that is no module and class")
    if module not in sys.modules and (problem := _not_there(module, qualname, name)):
        raise OpNotFound(name, place, problem)
    try:
        found: object = pkgutil.resolve_name(place)
    except AttributeError:
        found = None
    except Exception as error:
        raise OpNotFound(name, place, f"{type(error).__name__}: {error}") from error
    if not isinstance(found, type) or not issubclass(found, Op):
        raise OpNotFound(name, place, f"the module {module} has no op {qualname}")
    if getattr(found, "op", None) != name:
        raise OpNotFound(name, place, f"{qualname} is the op {getattr(found, 'op', None)!r} now")
    return found


def _not_there(module: str, qualname: str, name: str) -> str:
    """Return why a module's text defines no such op, "" if it does; nothing is imported."""
    folders: Sequence[str] | None = None
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:count]), folders)
        if spec is None:
            return f"there is no module {'.'.join(parts[:count])!r}"
        folders = spec.submodule_search_locations
    text = Path(spec.origin).read_bytes() if spec and spec.has_location and spec.origin else b""
    body: list[ast.stmt] = ast.parse(text).body if str(spec.origin).endswith(".py") else []
    for part in qualname.split("."):
        classes = [node for node in body if isinstance(node, ast.ClassDef) and node.name == part]
        body = classes[-1].body if classes else []
    named = any(
        isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(node.value, ast.Constant)
        and node.value.value == name
        for node in body
    )
    return "" if named else f"the module {module} defines no op {qualname} with op = {name!r}"
