"""The content of one definition: its syntax, what its names stand for, the values it was made with.

Guarantee: the form of a function covers its syntax, the meaning of every name in it, its closure,
defaults and attributes; the form of a class its statement, its bases, and its data by value. So two
swapped imports change a form although no line of the definition did.
The limits: data of a class that has no content (a lock, a cache that cannot be copied) counts by
the class statement alone; a function without source counts by its instructions.
"""

from __future__ import annotations

import dataclasses
import enum
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from dagrun.engine.canonical import Json, encode
from dagrun.engine.code.callables import (
    CODE,
    DESCRIPTORS,
    Place,
    cells_of,
    defaults_of,
    functions_of,
    place_of,
)
from dagrun.engine.code.constants import readable
from dagrun.engine.code.distributions import Origins
from dagrun.engine.code.names import Use, used_names
from dagrun.engine.code.resolve import Resolver, Scope
from dagrun.engine.code.syntax import Definition, Source, normal_form, without_defaults
from dagrun.engine.code.tabular import Opaque


@dataclasses.dataclass(slots=True)
class Symbol:
    """One piece of reachable code or data; complete once `digest` is set.

    Attributes:
        name: `module:qualname`; a module's whole code is `module:*`, a decorated function as its
            callers see it `module:@name`, a stage called as a function `module:name()`.
        text: source lines or `NAME = value`, for people.
        references: the symbols it refers to, in order of appearance.
        distributions: what it uses of installed code: name to version.
        warnings: places whose reach cannot be seen in the syntax.
        files: the files that were read for it.
        inlined: texts of functions that have no symbol of their own, such as lambdas.
    """

    name: str
    digest: str = ""
    text: str = ""
    references: dict[str, None] = dataclasses.field(default_factory=dict)
    distributions: dict[str, str] = dataclasses.field(default_factory=dict)
    warnings: dict[str, None] = dataclasses.field(default_factory=dict)
    files: dict[Path, None] = dataclasses.field(default_factory=dict)
    inlined: dict[str, None] = dataclasses.field(default_factory=dict)


class Reach(Protocol):
    """What a form needs of the walk; all of it adds what it meets to the symbol."""

    origins: Origins
    resolver: Resolver

    def describe(self, symbol: Symbol, value: object, where: str) -> Json:
        """Return the form of a value. Raises `Opaque`."""
        ...

    def bind(self, symbol: Symbol, use: Use, scope: Scope) -> Json | None:
        """Return the form of what a name stands for, None if it need not count."""
        ...

    def source(self, symbol: Symbol, place: Place) -> Source | None:
        """Return the parsed file of a module, None if it has no source."""
        ...


def function_form(
    reach: Reach, symbol: Symbol, function: types.FunctionType, *, defaults: bool = True
) -> dict[str, Json]:
    """Return the content of a function; without its defaults when they are params."""
    code = function.__code__
    source = reach.source(symbol, place_of(reach.origins, function))
    scope = Scope(namespace=function.__globals__, cells=cells_of(function), path=code.co_filename)
    if source is None:
        form = _unwritten(reach, symbol, code, scope)
    else:
        form = _written(reach, symbol, source.function(code), scope)
    if defaults:
        values = defaults_of(function)
        form["defaults"] = reach.describe(symbol, values, f"defaults of {code.co_qualname}()")
    attributes = {k: v for k, v in vars(function).items() if not k.startswith("__")}
    if attributes:
        form["attributes"] = reach.describe(symbol, attributes, f"{code.co_qualname}.__dict__")
    return form


def class_form(reach: Reach, symbol: Symbol, kind: type) -> dict[str, Json]:
    """Return the content of a class."""
    place = place_of(reach.origins, kind)
    source = reach.source(symbol, place)
    nodes = source.classes(kind.__qualname__) if source else []
    path = source.path if source else ""
    cells: dict[str, Any] = {}
    for function in functions_of(kind):
        cells |= cells_of(function)
    cells.pop("__class__", None)
    scope = Scope(namespace=place.namespace or {}, cells=cells, path=path)
    form = _written(reach, symbol, nodes, scope)
    form["bases"] = [reach.describe(symbol, base, "a base class") for base in kind.__bases__]
    if issubclass(kind, enum.Enum):
        pairs = [[name, item.value] for name, item in kind.__members__.items()]
        form["members"] = [[name, _try(reach, symbol, value)] for name, value in pairs]
    else:
        spans = [range(node.lineno, (node.end_lineno or 0) + 1) for node in nodes]
        form["values"] = _class_values(reach, symbol, kind, path, spans)
    return form


def _class_values(
    reach: Reach, symbol: Symbol, kind: type, path: str, spans: list[range]
) -> dict[str, Json]:
    """Describe the data of a class, and functions of it that its statement does not show."""
    forms: dict[str, Json] = {}
    for name, value in list(vars(kind).items()):
        if name.startswith("__") or isinstance(value, (*DESCRIPTORS, property)):
            continue
        function = getattr(value, "__func__", value)
        if isinstance(function, types.FunctionType):
            code = function.__code__
            generated = code.co_filename.startswith("<") and spans
            inside = code.co_filename == path and any(code.co_firstlineno in s for s in spans)
            if generated or inside:
                continue
        form = _try(reach, symbol, value)
        if form is not None:
            forms[name] = form
    return forms


def _written(
    reach: Reach, symbol: Symbol, nodes: list[Definition], scope: Scope
) -> dict[str, Json]:
    """Return the form of definitions by syntax, and of what their names stand for."""
    dumps: list[str] = []
    names: dict[str, Json] = {}
    for node in nodes:
        trimmed = without_defaults(node, reach.resolver.declarations(node, scope))
        dumps.append(normal_form(trimmed))
        found = used_names(trimmed)
        scope.imports = found.imports
        _bind(reach, symbol, found.uses, scope, names)
    return {"syntax": dumps, "names": names}


def _unwritten(reach: Reach, symbol: Symbol, code: types.CodeType, scope: Scope) -> dict[str, Json]:
    """Return the form of code that no file holds (made by `exec`, say), by its instructions."""
    names: dict[str, Json] = {}
    content = []
    for part in _nested(code):
        plain = [item for item in part.co_consts if not isinstance(item, types.CodeType)]
        content.append([encode(part.co_code), encode(plain), list(part.co_names)])
        uses = dict.fromkeys(Use(names=(name,), line=0) for name in part.co_names)
        _bind(reach, symbol, uses, scope, names)
    for name, value in scope.cells.items():
        names[name] = reach.describe(symbol, value, f"the closure variable {name}")
    return {"syntax": content, "names": names}


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for item in code.co_consts:
        if isinstance(item, types.CodeType):
            yield from _nested(item)


def _bind(
    reach: Reach, symbol: Symbol, uses: dict[Use, None], scope: Scope, names: dict[str, Json]
) -> None:
    for use in uses:
        key = ".".join(use.names) + ("" if use.literal is None else f"({use.literal!r})")
        if key not in names and (form := reach.bind(symbol, use, scope)) is not None:
            names[key] = form


def _try(reach: Reach, symbol: Symbol, value: object) -> Json | None:
    try:
        return reach.describe(symbol, value, "a value")
    except Opaque:
        return None


def function_text(
    reach: Reach, symbol: Symbol, function: types.FunctionType, form: Mapping[str, Json]
) -> str:
    """Return a function's source, with comments on what it does not show."""
    place, code = place_of(reach.origins, function), function.__code__
    source = reach.source(symbol, place)
    text = source.text(source.function(code)) if source else f"{code.co_qualname}: no source"
    values = cells_of(function) | (defaults_of(function) if form.get("defaults") else {})
    shown = {name: value for name, value in values.items() if not isinstance(value, CODE)}
    lines = [f"\n# {name} = {readable(value, 400)}" for name, value in shown.items()]
    return text + _notes(place.origin.name, form["names"]) + "".join(lines)


def class_text(reach: Reach, symbol: Symbol, kind: type, form: Mapping[str, Json]) -> str:
    """Return a class statement, with comments on what its names stand for."""
    place = place_of(reach.origins, kind)
    source = reach.source(symbol, place)
    nodes = source.classes(kind.__qualname__) if source else []
    text = source.text(nodes) if source and nodes else f"class {kind.__qualname__}: made by a call"
    values = form.get("values")
    unseen = [name for name in values if name not in text] if isinstance(values, dict) else []
    lines = [f"\n# {name} = {readable(vars(kind)[name], 400)}" for name in unseen]
    return text + _notes(place.origin.name, form["names"]) + "".join(lines)


def _notes(module: str, names: Mapping[str, Json]) -> str:
    """Return comment lines that say what the less obvious names of a definition stand for."""
    lines: dict[str, None] = {}
    for key, form in names.items():
        name = key.partition("(")[0]
        target = form.get("$code") or form.get("$external") if isinstance(form, dict) else None
        if not isinstance(target, str) or target.startswith(f"{module}:@"):
            continue
        elsewhere = "$code" in form and not target.startswith(f"{module}:")
        renamed = target.replace(":", ".").rpartition(".")[2] not in name.split(".")
        if elsewhere or renamed:
            lines[f"\n# {name}: {target}"] = None
    return "".join(lines)
