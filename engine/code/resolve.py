"""What a name in code stands for: names and attribute chains looked up in live modules.

Guarantee: modules of the project are looked through (`h.load` is what `h` holds as `load`, however
many packages re-export it); modules of other people are named, never imported. The project's own
modules that a function imports when it runs are imported here, since nothing else tells what is in
them. The limit: a name computed at run time is reported as `Hidden`, not found.
"""

from __future__ import annotations

import builtins
import dataclasses
import importlib
import importlib.util
import sys
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any

from dagrun.engine.code.distributions import Origin, Origins
from dagrun.engine.code.names import LocalImport, Use, chain_of
from dagrun.engine.code.syntax import Definition

_MODULE_NAMES = {
    "__annotations__",
    "__builtins__",
    "__cached__",
    "__doc__",
    "__loader__",
    "__name__",
    "__package__",
    "__spec__",
}
_DYNAMIC = {"eval", "exec", "globals"}


@dataclasses.dataclass(slots=True, kw_only=True)
class Scope:
    """Where the names of one definition are looked up.

    Attributes:
        namespace: globals of the module, by which also relative imports are resolved.
        cells: closure variables.
        path: the file, for messages.
        imports: imports inside the definition, by the names that they bind.
    """

    namespace: Mapping[str, Any]
    cells: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    path: str = ""
    imports: Mapping[str, LocalImport] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A value, and the namespace (None for a closure variable) that holds it as `name`."""

    value: Any
    home: Mapping[str, Any] | None
    name: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """Something that a function imports from other people's code; it is not loaded for this."""

    origin: Origin
    name: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A module of the project that a function imports, but that cannot be imported."""

    origin: Origin
    path: str
    error: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """Code that is named at run time, in this module or `anywhere` in the project."""

    how: str
    anywhere: bool = False


Meaning = Found | Foreign | Broken | Hidden


class Resolver:
    """Looks names up for one project."""

    def __init__(self, origins: Origins) -> None:
        self._origins = origins

    def find(self, use: Use, scope: Scope) -> Meaning | None:
        """Return what `use` stands for; None for builtins and for names that do not exist."""
        name, *rest = use.names
        if name in scope.imports:
            target = scope.imports[name]
            meaning = self._import(target, scope.namespace, rest)
        elif name in scope.cells:
            meaning = Found(value=scope.cells[name], home=None, name=name)
        elif name in scope.namespace:
            if name in _MODULE_NAMES:
                return None
            meaning = Found(value=scope.namespace[name], home=scope.namespace, name=name)
        elif name in _DYNAMIC:
            return Hidden(how=f"{name}()")
        elif name == "__import__":
            meaning = Found(value=builtins.__import__, home=None, name=name)
        else:
            return None
        if not isinstance(meaning, Found):
            return meaning
        return self._follow(meaning, rest, use.literal, scope)

    def declarations(self, node: Definition, scope: Scope) -> list[Any]:
        """Return the decorators that are dagrun's own: what they declare is keyed elsewhere."""
        ours = []
        for item in getattr(node, "decorator_list", ()):
            use = chain_of(getattr(item, "func", item))
            meaning = self.find(use, scope) if use else None
            if isinstance(meaning, Found) and isinstance(meaning.value, FunctionType):
                home = meaning.value.__globals__.get("__name__", "")
                if home == "dagrun" or home.startswith("dagrun.engine."):
                    ours.append(item)
        return ours

    def _follow(
        self, found: Found, attributes: list[str], literal: str | None, scope: Scope
    ) -> Meaning | None:
        """Read attributes for as long as the value is a module that may hold the project's code."""
        value, home, name = found.value, found.home, found.name
        rest = list(attributes)
        while isinstance(value, ModuleType) and rest and self._is_open(value):
            module, name = value, rest.pop(0)
            if name in _MODULE_NAMES:
                return None
            value, home = self._member(module, name), vars(module)
            if value is None and not hasattr(module, name):
                return None
        if value is sys and rest[:1] == ["modules"]:
            return Hidden(how="sys.modules")
        if value is importlib and rest[:1] == ["import_module"]:
            value = importlib.import_module
        if value is importlib.import_module or value is builtins.__import__:
            if literal is None:
                return Hidden(how="an import of a computed name", anywhere=True)
            level = len(literal) - len(literal.lstrip("."))
            target = LocalImport(module=literal.lstrip("."), level=level, line=0)
            return self._import(target, scope.namespace, [])
        return Found(value=value, home=home, name=name)

    def _is_open(self, module: ModuleType) -> bool:
        name = module.__name__
        if name == "dagrun" or name.startswith("dagrun."):
            return True
        return self.origin(module).kind in ("project", "namespace")

    def origin(self, module: ModuleType) -> Origin:
        """Return the origin of a live module."""
        return self._origins.of(module.__name__, getattr(module, "__file__", None))

    def _import(
        self, target: LocalImport, namespace: Mapping[str, Any], rest: list[str]
    ) -> Meaning | None:
        """Resolve an import inside a function. Only the project's own modules are imported."""
        name = target.module
        if target.level:
            package = namespace.get("__package__") or ""
            try:
                name = importlib.util.resolve_name("." * target.level + name, package)
            except ImportError:
                return None
        parts = [*name.split("."), *(rest if target.name is None else [target.name])]
        origin = self._locate(parts)
        if origin is None:
            return None
        closed = origin.kind not in ("project", "namespace") and parts[0] != "dagrun"
        if closed and name not in ("importlib", "sys"):
            full = name if target.name is None else f"{name}:{target.name}"
            return Foreign(origin=origin, name=full)
        try:
            module = importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 (a module's body may raise anything)
            path = self._file(name)
            if path is None:
                return None
            found = self._origins.of(name, path)
            return Broken(origin=found, path=path, error=f"{type(error).__name__}: {error}")
        if target.name is None:
            return Found(value=module, home=vars(module), name=name)
        value = self._member(module, target.name)
        if value is None and not hasattr(module, target.name):
            return None
        return Found(value=value, home=vars(module), name=target.name)

    def _locate(self, parts: list[str]) -> Origin | None:
        """Return the origin of an import without executing any package of other people."""
        origin = None
        for count in range(1, len(parts) + 1):
            name = ".".join(parts[:count])
            try:
                spec = importlib.util.find_spec(name)
            except (ImportError, ValueError):  # a module without a spec is loaded already
                module = sys.modules.get(name)
                return self.origin(module) if module else origin
            if spec is None:
                return origin
            origin = self._origins.of(name, spec.origin if spec.has_location else None)
            if origin.kind != "namespace":
                return origin
        return origin

    def _file(self, name: str) -> str | None:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
        return spec.origin if spec and spec.has_location else None

    def _member(self, module: ModuleType, name: str) -> Any:
        """Read an attribute of an open module, importing the submodule it may mean."""
        try:
            return getattr(module, name)
        except AttributeError:
            full = f"{module.__name__}.{name}"
        if not hasattr(module, "__path__") or self._file(full) is None:
            return None
        try:
            return importlib.import_module(full)
        except Exception:  # noqa: BLE001 (then the name does not exist for the running stage either)
            return None


def stage_function(value: object) -> FunctionType | None:
    """Return the function of a stage, known by its property `__dagrun_function__`."""
    if isinstance(getattr(type(value), "__dagrun_function__", None), property):
        function = value.__dagrun_function__  # type: ignore[attr-defined]
        return function if isinstance(function, FunctionType) else None
    return None
