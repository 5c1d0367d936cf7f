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
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from dagrun.engine.canonical import Json, encode
from dagrun.engine.distributions import Origin, Origins
from dagrun.engine.names import Use, used_names
from dagrun.engine.resolve import Resolver, Scope, stage_function
from dagrun.engine.syntax import Definition, Source, normal_form, without_defaults
from dagrun.engine.tabular import Opaque

DESCRIPTORS = (
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.MethodWrapperType,
)


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

    def source(self, symbol: Symbol, name: str, path: str) -> Source | None:
        """Return the parsed file of a module, None if it has no source."""
        ...


def function_form(
    reach: Reach, symbol: Symbol, function: types.FunctionType, *, defaults: bool = True
) -> dict[str, Json]:
    """Return the content of a function; without its defaults when they are params."""
    code = function.__code__
    origin = origin_of_function(reach.origins, function)
    source = reach.source(symbol, origin.name, code.co_filename)
    scope = Scope(namespace=function.__globals__, cells=cells_of(function), path=code.co_filename)
    if source is None:
        form = _unwritten(reach, symbol, code, scope)
    else:
        form = _written(reach, symbol, source.function(code), scope)
    if defaults:
        values = given_defaults(function)
        form["defaults"] = reach.describe(symbol, values, f"defaults of {code.co_qualname}()")
    attributes = {k: v for k, v in vars(function).items() if not k.startswith("__")}
    if attributes:
        form["attributes"] = reach.describe(symbol, attributes, f"{code.co_qualname}.__dict__")
    return form


def class_form(
    reach: Reach, symbol: Symbol, kind: type, source: Source | None, namespace: Mapping[str, Any]
) -> dict[str, Json]:
    """Return the content of a class; the `source` is that of its module."""
    nodes = source.classes(kind.__qualname__) if source else []
    path = source.path if source else ""
    cells: dict[str, Any] = {}
    for function in functions_of(kind):
        cells |= cells_of(function)
    cells.pop("__class__", None)
    scope = Scope(namespace=namespace, cells=cells, path=path)
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
    for name, value in vars(kind).items():
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


def given_defaults(function: types.FunctionType) -> dict[str, Any]:
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
        qualname, varies = code.co_qualname, bool(given_defaults(value))
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


def origin_of_function(origins: Origins, function: types.FunctionType) -> Origin:
    """Return where a function's code comes from, whatever it says its module is."""
    file = function.__code__.co_filename
    if file.startswith("<"):
        file = function.__globals__.get("__file__") or file
    return origins.of(str(function.__globals__.get("__name__", "")), file)


def origin_of_class(origins: Origins, kind: type) -> tuple[Origin, Mapping[str, Any]]:
    """Return where a class comes from, and the namespace of its module."""
    module = sys.modules.get(kind.__module__)
    namespace: Mapping[str, Any] = vars(module) if module else {}
    if module is None:
        for function in functions_of(kind):
            namespace = function.__globals__
            break
    return origins.of(kind.__module__, namespace.get("__file__")), namespace


def notes(module: str, names: Mapping[str, Json]) -> str:
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
