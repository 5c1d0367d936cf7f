"""The content of live Python values that code refers to: constants, defaults, closure values.

Guarantee: the form of a value is equal in every process when its content is, and moves with the
project (paths beneath the root are taken relative to it). Beyond what `canonical` encodes it
understands what `tabular` lists, partials, caches around functions, bound methods, enums,
dataclass instances, and instances of any class that can say its own state (`__reduce_ex__`, the
protocol of `copy`). Functions, classes and modules are handed to a callback: they count by code.

The limits: a mutable value counts as it is when the plan is made; what only logs, shows or
synchronises (loggers, consoles, locks, weak references, context variables) counts as nothing; a
dictionary counts in its order. Anything else (open files, connections, iterators, generators of
random numbers, trained models) is refused.
"""

from __future__ import annotations

import contextvars
import dataclasses
import enum
import functools
import io
import logging
import pprint
import random
import re
import struct
import sys
import threading
import types
import typing
import weakref
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from dagrun.engine.canonical import Json, encode
from dagrun.engine.code.tabular import FROM_SEED, Opaque, describe_tabular
from dagrun.engine.errors import Unhashable

Code = Callable[[Any, str], Json | None]
"""Returns the form of a function, class or module, and None for any other value."""

MOST_PARTS = 200_000
"""A value with more parts than this is data, not a constant."""

MOST_DEPTH = 50
"""A value nested deeper than this is refused before Python's stack is exhausted."""

MOST_BINARY = 64
"""Bytes of binary state above which an object of somebody else's class is taken for a model."""

_NOTHING = (
    logging.Logger,
    logging.LoggerAdapter,
    logging.Handler,
    threading.local,
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Condition,
    threading.Semaphore,
    threading.Event,
    weakref.ref,
    weakref.WeakKeyDictionary,
    weakref.WeakValueDictionary,
    weakref.WeakSet,
    contextvars.ContextVar,
)
_SPEAKERS = {"loguru", "rich", "structlog", "tqdm"}
_PLAIN = (bool, int, float, complex)
_CONTAINERS = (list, tuple, set, frozenset, dict, types.MappingProxyType)


@dataclasses.dataclass(slots=True)
class Description:
    """One walk through one value.

    Attributes:
        relative: maps an absolute path beneath the root to a relative one, else to None.
        code: describes what counts by its code.
        active: the objects that the walk is inside of.
        parts: number of parts seen.
        foreign: number of objects of other people's classes that the walk is inside of.
    """

    relative: Callable[[str], str | None]
    code: Code
    active: list[int] = dataclasses.field(default_factory=list)
    parts: int = 0
    foreign: int = 0

    def describe(self, value: Any, where: str) -> Json:
        """Return the form of `value`. Raises `Opaque`, naming the part of `where` it is about."""
        if value is None or type(value) in _PLAIN:
            return encode(value)
        if type(value) is str:
            inside = self.relative(value) if "/" in value or "\\" in value else None
            return value if inside is None else {"$beneath_root": inside}
        if id(value) in self.active:
            return {"$again": len(self.active) - self.active.index(id(value))}
        self.parts += 1
        if self.parts > MOST_PARTS or len(self.active) > MOST_DEPTH:
            raise Opaque(value, where, "It has too many parts, or parts within parts.")
        self.active.append(id(value))
        try:
            return self._describe(value, where)
        finally:
            self.active.pop()

    def _describe(self, value: Any, where: str) -> Json:
        form = self.code(value, where)
        if form is not None:
            return form
        if type(value) in _CONTAINERS:
            return self._container(value, where)
        if isinstance(value, enum.Enum):
            kind = self.describe(type(value), where)
            return {"$enum": [kind, value.name, self.describe(value.value, f"{where}.value")]}
        if dataclasses.is_dataclass(value):
            names = [item.name for item in dataclasses.fields(value) if hasattr(value, item.name)]
            parts = {name: self.describe(getattr(value, name), f"{where}.{name}") for name in names}
            return {"$dataclass": [self.describe(type(value), where), parts]}
        if isinstance(value, PurePath):
            inside = self.relative(str(value))
            return encode(value) if inside is None else {"$path_beneath_root": inside}
        if not self.foreign and _only_speaks(value):
            return {"$nothing": self.describe(type(value), where)}
        form = self._callable(value, where)
        if form is None:
            form = describe_tabular(value, where, self.describe, inside_object=self.foreign > 0)
        return self._instance(value, where) if form is None else form

    def _container(self, value: Any, where: str) -> Json:
        if isinstance(value, Mapping):
            pairs = []
            for key, item in list(value.items()):
                form = self.describe(key, f"the key {key!r} of {where}")
                pairs.append([form, self.describe(item, f"{where}[{key!r}]")])
            return {"$mapping": pairs}
        parts = [self.describe(item, f"{where}[{number}]") for number, item in enumerate(value)]
        if isinstance(value, set | frozenset):
            parts.sort(key=repr)
        return {"$" + type(value).__name__: parts}

    def _callable(self, value: Any, where: str) -> Json | None:
        """Describe what wraps a function, and the objects of the typing module."""
        if isinstance(value, functools.partial):
            names = ("func", "args", "keywords")
            return {"$partial": [self.describe(getattr(value, n), f"{where}.{n}") for n in names]}
        if isinstance(value, types.MethodType):
            owner = self.describe(value.__self__, f"{where}.__self__")
            return {"$method": [owner, self.describe(value.__func__, where)]}
        if isinstance(value, types.BuiltinMethodType):
            return {"$method": [self.describe(value.__self__, f"{where}.__self__"), value.__name__]}
        if isinstance(value, property):
            parts = [self.describe(part, where) for part in (value.fget, value.fset, value.fdel)]
            return {"$property": parts}
        wrapped = _wrapped(value)
        if wrapped is not None:
            return {"$wrapper": [self.describe(item, where) for item in (type(value), wrapped)]}
        if isinstance(value, types.GenericAlias | types.UnionType) or _is_typing(value):
            arguments = [self.describe(part, where) for part in typing.get_args(value)]
            origin = typing.get_origin(value)
            head = repr(value) if origin is None else self.describe(origin, where)
            return {"$typing": [type(value).__name__, head, arguments]}
        return None

    def _instance(self, value: Any, where: str) -> Json:
        """Describe an object by what it would be copied from."""
        if isinstance(value, struct.Struct):
            return {"$struct": value.format}
        if isinstance(value, random.Random):
            raise Opaque(value, where, FROM_SEED)
        iterator = type(value).__module__ == "itertools" or hasattr(type(value), "__next__")
        if iterator and not isinstance(value, io.IOBase):
            raise Opaque(value, where, "It is used up as it is read; keep a tuple instead.")
        if isinstance(value, bytes | bytearray) and self.foreign and len(value) > MOST_BINARY:
            raise Opaque(value, where, "It is binary state, as a trained model has.")
        kind = self.describe(type(value), where)
        theirs = not _is_stdlib(type(value)) and "$external" in kind
        if theirs and (name := _exported(value)):
            return {"$exported": name}
        self.foreign += theirs
        try:
            return self._copied(value, where, kind)
        finally:
            self.foreign -= theirs

    def _copied(self, value: Any, where: str, kind: Json) -> Json:
        try:
            return encode(value, where)
        except Unhashable:
            pass
        try:
            recipe = value.__reduce_ex__(4)
        except Exception:  # noqa: BLE001 (whatever its class raises to say that it has no copies)
            if isinstance(value, int | float | str | bytes):
                return {"$scalar": [kind, *self._scalar(value, where)]}
            raise Opaque(value, where) from None
        if isinstance(recipe, str):
            return {"$global": [kind, recipe]}
        make, arguments, state, *rest = (*recipe, None)[: max(3, len(recipe))]
        parts = [kind, self.describe(make, where)]
        parts += [self.describe(item, f"{where} ({type(value).__name__})") for item in arguments]
        parts.append(self._state(state, where))
        for content in rest:
            parts.append(self.describe(None if content is None else list(content), where))
        return {"$instance": parts}

    def _scalar(self, value: Any, where: str) -> list[Json]:
        """Describe a number or text of a class of its own: what it is, and what else it holds."""
        plain: Any = next(kind for kind in (int, float, str, bytes) if isinstance(value, kind))
        held = getattr(value, "__dict__", {})
        return [encode(plain.__new__(plain, value)), self._state(dict(held), where)]

    def _state(self, state: Any, where: str) -> Json:
        if type(state) is dict and all(type(name) is str for name in state):
            named = {name: self.describe(state[name], f"{where}.{name}") for name in sorted(state)}
            return {"$state": named}
        if type(state) is tuple and len(state) == 2:
            return {"$slots": [self._state(part, where) for part in state]}
        return self.describe(state, where)


def _only_speaks(value: Any) -> bool:
    """Tell whether an object only logs, shows or synchronises, so that no result depends on it."""
    if isinstance(value, _NOTHING) or type(value).__module__.partition(".")[0] in _SPEAKERS:
        return True
    return any(value is stream for stream in (sys.stdin, sys.stdout, sys.stderr))


def _wrapped(value: Any) -> Any:
    """Return the function that an object (a cache, a compiled function) is a wrapper of."""
    if isinstance(value, staticmethod | classmethod):
        return value.__func__
    return getattr(value, "__dict__", {}).get("__wrapped__")


def _is_typing(value: Any) -> bool:
    return type(value).__module__ in ("typing", "typing_extensions")


def _is_stdlib(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in sys.stdlib_module_names


def _exported(value: Any) -> str | None:
    """Return the name under which a package exports an object of its own, as `polars.col`."""
    module = type(value).__module__
    for home in (module.partition(".")[0], module):
        for name, found in list(vars(sys.modules.get(home, types)).items()):
            if found is value:
                return f"{home}:{name}"
    return None


def readable(value: object, most: int = 4_000) -> str:
    """Return the text of a value for people: addresses left out, at most `most` characters."""
    try:
        text = pprint.pformat(value, width=90, sort_dicts=False)
    except Exception:  # noqa: BLE001 (any repr may fail; the text is not part of a key)
        text = f"<{type(value).__qualname__}>"
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", text)
    return text if len(text) <= most else text[:most] + " ..."
