"""Live functions and classes: where they come from, what they carry, what their name says.

Guarantee: a function's place is that of its code, whatever a decorator copied onto it, and a name
is good only if it leads to this very object or to the only definition it can be. The limit: a class
is found by its `__module__`, which has to be imported under that name.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

from dagrun.engine.code.distributions import Origin, Origins
from dagrun.engine.code.resolve import stage_function
from dagrun.engine.code.syntax import Source

DESCRIPTORS = (
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.MethodWrapperType,
)


CODE = (types.FunctionType, types.MethodType, functools.partial, type, staticmethod, classmethod)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A module: its origin, its file, and its namespace unless it is not loaded."""

    origin: Origin
    path: str
    namespace: Mapping[str, Any] | None = None


def cells_of(function: types.FunctionType) -> dict[str, Any]:
    """Return the closure variables of a function that have a value."""
    found = {}
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    for name, cell in cells:
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found


def defaults_of(function: types.FunctionType) -> dict[str, Any]:
    """Return the defaults of a function by the names of its parameters."""
    code, values = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[code.co_argcount - len(values) : code.co_argcount]
    return dict(zip(names, values, strict=True)) | (function.__kwdefaults__ or {})


def functions_of(kind: type) -> Iterator[types.FunctionType]:
    """Yield the functions in a class, as methods of any sort."""
    for value in vars(kind).values():
        for part in (value, *(getattr(value, name, None) for name in ("__func__", "fget"))):
            if isinstance(part, types.FunctionType):
                yield part


def named_for_good(value: types.FunctionType | type, source: Source | None) -> bool:
    """Tell whether module and qualified name say which function or class this is.

    They do not for one with a closure, or one of several of that name (as `_` often is).
    """
    namespace: Mapping[str, Any]
    if isinstance(value, types.FunctionType):
        code, namespace = value.__code__, value.__globals__
        qualname, varies = code.co_qualname, bool(defaults_of(value))
        if set(code.co_freevars) - {"__class__"}:
            return False
    else:
        qualname, varies = value.__qualname__, False
        namespace = vars(sys.modules.get(value.__module__, types))
    if "<" in qualname:
        return False
    if source is not None and source.count(qualname) == 1 and not varies:
        return True
    head, *rest = qualname.split(".")
    found: Any = namespace.get(head)
    for name in rest:
        found = vars(found).get(name) if isinstance(found, type) else None
    while found is not None and found is not value:
        found = _unwrap(found)
    return found is value


def _unwrap(value: Any) -> Any:
    if isinstance(value, staticmethod | classmethod):
        return value.__func__
    if isinstance(value, property):
        return value.fget
    return stage_function(value) or getattr(value, "__dict__", {}).get("__wrapped__")


def place_of(origins: Origins, value: types.FunctionType | type) -> Place:
    """Return where a function's code or a class comes from, whatever it says its module is."""
    if isinstance(value, types.FunctionType):
        namespace: Mapping[str, Any] = value.__globals__
        name, path = str(namespace.get("__name__", "")), value.__code__.co_filename
        if path.startswith("<"):
            path = str(namespace.get("__file__") or path)
        return Place(origin=origins.of(name, path), path=path, namespace=namespace)
    module = sys.modules.get(value.__module__)
    namespace = vars(module) if module else {}
    if module is None:
        for function in functions_of(value):
            namespace = function.__globals__
            break
    file = namespace.get("__file__")
    origin = origins.of(value.__module__, file)
    return Place(origin=origin, path=str(file), namespace=namespace)


def unwrapped(function: Any) -> Any:
    """Return the function at the bottom of what decorators have wrapped."""
    while "__wrapped__" in getattr(function, "__dict__", {}):
        function = vars(function)["__wrapped__"]
    return function
