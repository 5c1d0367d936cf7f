"""Symbols: one digest for each function, class, constant and module that code can reach.

Guarantee: each symbol is built once per `Symbols`, whichever stages reach it, and what it refers to
is built only when asked for. Other people's code counts as their distribution, and is followed only
to the project's functions that it wraps. The limit: attributes of local variables are followed only
through the classes that the code names; what a module does to other objects while it is imported
is not seen.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dagrun.engine.canonical import Json, digest
from dagrun.engine.code.callables import (
    CODE,
    DESCRIPTORS,
    Place,
    cells_of,
    named_for_good,
    place_of,
    unwrapped,
)
from dagrun.engine.code.constants import Description, readable
from dagrun.engine.code.definitions import (
    Symbol,
    class_form,
    class_text,
    function_form,
    function_text,
)
from dagrun.engine.code.distributions import Origin, Origins
from dagrun.engine.code.names import Use
from dagrun.engine.code.resolve import (
    Broken,
    Foreign,
    Found,
    Hidden,
    Resolver,
    Scope,
    stage_function,
)
from dagrun.engine.code.syntax import Source, normal_form, read_source
from dagrun.engine.code.tabular import Opaque


class Symbols:
    """All symbols of one project at one moment, built when they are first asked for."""

    def __init__(self, root: Path) -> None:
        self.origins = Origins(root)
        self.resolver = Resolver(self.origins)
        self._sources: dict[str, Source | None] = {}
        self._symbols: dict[str, Symbol] = {}
        self._planned: dict[str, Callable[[Symbol], None]] = {}
        self._inlining: list[int] = []

    def get(self, name: str) -> Symbol:
        """Return the symbol that another one refers to. Raises `Opaque` when it has no content."""
        if name not in self._symbols:
            symbol = Symbol(name=name)
            self._planned[name](symbol)
            symbol.text = "\n".join([symbol.text, *symbol.inlined])
            self._symbols[name] = symbol
        return self._symbols[name]

    def stage(self, function: Callable[..., Any]) -> Symbol:
        """Return the symbol of a stage's own function, named but not yet filled."""
        plain = unwrapped(function)
        if not isinstance(plain, types.FunctionType):
            return Symbol(name=f"{type(plain).__module__}:{type(plain).__qualname__}")
        mark = "" if plain is function else "@"
        module = place_of(self.origins, plain).origin.name
        return Symbol(name=f"{module}:{mark}{plain.__code__.co_qualname}")

    def fill(self, symbol: Symbol, function: Callable[..., Any]) -> None:
        """Build a stage's own symbol: without its defaults, which are params.

        Raises `Opaque`.
        """
        if isinstance(function, types.FunctionType) and self._is_ours(function):
            self._build_function(function, symbol, defaults=function is not unwrapped(function))
        else:
            self._build_constant(function, "its function", symbol)
        symbol.text = "\n".join([symbol.text, *symbol.inlined])

    def describe(self, symbol: Symbol, value: object, where: str) -> Json:
        """Return the form of a value; what it refers to is added to `symbol`."""
        code = functools.partial(self._code, symbol)
        return Description(relative=self.origins.relative, code=code).describe(value, where)

    def bind(self, symbol: Symbol, use: Use, scope: Scope) -> Json | None:
        """Return the form of what a name in code stands for; None when it need not count."""
        at = f"{Path(scope.path).name}:{use.line}"
        match self.resolver.find(use, scope):
            case Foreign(origin=origin, name=name):
                return _external(symbol, origin, name)
            case Broken(origin=origin, path=path, error=error):
                warning = f"{at} imports {origin.name}, which fails ({error}), so its text counts"
                symbol.warnings[warning] = None
                return self._whole(symbol, Place(origin=origin, path=path))
            case Hidden(how=how, anywhere=anywhere):
                return self._hidden(symbol, how, at, scope, anywhere=anywhere)
            case Found(value=types.ModuleType() as module, name=name):
                return self._module(symbol, module, f"{at} uses the module {name} as a value")
            case Found(value=value, home=None, name=name):
                return self.describe(symbol, value, f"the closure variable {name}")
            case Found(value=value, home=dict() as home, name=name):
                return self._value(symbol, value, home, name)
        return None

    def source(self, symbol: Symbol, place: Place) -> Source | None:
        """Return the parsed file of a module, None if it has no source."""
        path = place.path
        if path not in self._sources:
            self._sources[path] = read_source(place.origin.name, path)
        source = self._sources[path]
        if source is not None and not path.startswith("<"):
            symbol.files[Path(path)] = None
        return source

    def _is_ours(self, value: types.FunctionType | type) -> bool:
        return place_of(self.origins, value).origin.kind == "project"

    def _code(self, symbol: Symbol, value: Any, where: str) -> Json | None:
        """Return the form of a value that counts by its code, None for any other."""
        if (function := stage_function(value)) is not None:
            return self._function(symbol, function, where, mark="()")
        if isinstance(value, types.FunctionType):
            return self._function(symbol, value, where)
        if isinstance(value, type):
            return self._class(symbol, value)
        if isinstance(value, types.ModuleType):
            return self._module(symbol, value, f"{where} is a module")
        if isinstance(value, types.BuiltinFunctionType):
            if value.__self__ is None or isinstance(value.__self__, types.ModuleType):
                module = value.__module__ or getattr(value.__self__, "__name__", "builtins")
                file = getattr(sys.modules.get(module), "__file__", None)
                origin = self.origins.of(module, file)
                return _external(symbol, origin, f"{module}:{value.__qualname__}")
        elif isinstance(value, DESCRIPTORS):
            return {"$external": f"{value.__objclass__.__qualname__}.{value.__name__}"}
        return None

    def _function(
        self, symbol: Symbol, function: types.FunctionType, where: str, mark: str = ""
    ) -> Json:
        place, qualname = place_of(self.origins, function), function.__code__.co_qualname
        if place.origin.kind != "project":
            return self._foreign_function(symbol, place.origin, function, where)
        if named_for_good(function, self.source(symbol, place)):
            build = functools.partial(self._build_function, function)
            return self._refer(symbol, f"{place.origin.name}:{qualname}{mark}", build)
        with self._inside(function) as again:
            if again:
                return {"$again": qualname}
            form = function_form(self, symbol, function)
            symbol.inlined[function_text(self, symbol, function, form)] = None
            return {"$function": [qualname, form]}

    def _foreign_function(
        self, symbol: Symbol, origin: Origin, function: types.FunctionType, where: str
    ) -> Json:
        """Somebody else's function, and the functions of ours that it wraps."""
        name = f"{function.__globals__.get('__name__')}:{function.__code__.co_qualname}"
        if name.startswith("dagrun."):
            name = f"dagrun:{function.__code__.co_qualname}"
        form = _external(symbol, origin, name)
        cells = cells_of(function)
        wrapped = {cell: value for cell, value in cells.items() if isinstance(value, CODE)}
        for attribute in ("__wrapped__", "registry"):  # the latter is functools.singledispatch's
            if attribute in vars(function):
                wrapped[attribute] = vars(function)[attribute]
        if not wrapped:
            return form
        with self._inside(function) as again:
            if again:
                return {"$again": name}
            return {"$wrapping": [form, self.describe(symbol, wrapped, f"what {where} wraps")]}

    def _class(self, symbol: Symbol, kind: type) -> Json:
        place, name = place_of(self.origins, kind), f"{kind.__module__}:{kind.__qualname__}"
        if place.origin.kind != "project":
            ours = name.startswith("dagrun.")
            return _external(symbol, place.origin, f"dagrun:{kind.__qualname__}" if ours else name)
        name = f"{place.origin.name}:{kind.__qualname__}"
        if named_for_good(kind, self.source(symbol, place)):
            return self._refer(symbol, name, functools.partial(self._build_class, kind))
        with self._inside(kind) as again:
            return {"$again": name} if again else {"$class": [name, class_form(self, symbol, kind)]}

    @contextlib.contextmanager
    def _inside(self, value: object) -> Iterator[bool]:
        """Tell whether the walk is inside of `value` already, and put it there for the block."""
        again = id(value) in self._inlining
        self._inlining.append(id(value))
        try:
            yield again
        finally:
            self._inlining.pop()

    def _module(self, symbol: Symbol, module: types.ModuleType, why: str) -> Json:
        origin = self.resolver.origin(module)
        if origin.kind != "project":
            return _external(symbol, origin, module.__name__)
        symbol.warnings[f"{why}, so the whole of {origin.name} counts"] = None
        place = Place(origin=origin, path=str(module.__file__), namespace=vars(module))
        return self._whole(symbol, place)

    def _value(self, symbol: Symbol, value: Any, home: Mapping[str, Any], name: str) -> Json:
        """Refer to a global by the code it is, else as a constant of its module."""
        if not self._is_inlined(symbol, value):
            form = self._code(symbol, value, name)
            if form is not None:
                return form
        path = str(home.get("__file__"))
        origin = self.origins.of(str(home.get("__name__")), home.get("__file__"))
        source = self.source(symbol, Place(origin=origin, path=path))
        mark = "@" if source is not None and source.count(name) else ""
        build = functools.partial(self._build_constant, value, name)
        return self._refer(symbol, f"{origin.name}:{mark}{name}", build)

    def _is_inlined(self, symbol: Symbol, value: Any) -> bool:
        """Tell whether a value is a function or class of the project without a symbol."""
        if not isinstance(value, types.FunctionType | type) or not self._is_ours(value):
            return False
        return not named_for_good(value, self.source(symbol, place_of(self.origins, value)))

    def _hidden(self, symbol: Symbol, how: str, at: str, scope: Scope, *, anywhere: bool) -> Json:
        """Take the whole module, or every file of the project, for what is named at run time."""
        origin = self.origins.of(str(scope.namespace.get("__name__")), scope.path)
        if not anywhere:
            symbol.warnings[f"{at} uses {how}, so the whole of {origin.name} counts"] = None
            place = Place(origin=origin, path=scope.path, namespace=scope.namespace)
            return self._whole(symbol, place)
        warning = f"{at} makes {how}, so every Python file of the project counts, but no "
        symbol.warnings[warning + "distribution that only such an import reaches"] = None
        places = [
            Place(origin=self.origins.of("", path), path=path)
            for path in self.origins.python_files()
        ]
        return [self._whole(symbol, item) for item in places if item.origin.kind == "project"]

    def _whole(self, symbol: Symbol, module: Place) -> Json:
        build = functools.partial(self._build_module, module)
        return self._refer(symbol, f"{module.origin.name}:*", build)

    def _refer(self, symbol: Symbol, name: str, build: Callable[[Symbol], None]) -> Json:
        symbol.references[name] = None
        self._planned.setdefault(name, build)
        return {"$code": name}

    def _build_function(
        self, function: types.FunctionType, symbol: Symbol, *, defaults: bool = True
    ) -> None:
        form = function_form(self, symbol, function, defaults=defaults)
        symbol.digest = digest("function", form)
        symbol.text = function_text(self, symbol, function, form)

    def _build_class(self, kind: type, symbol: Symbol) -> None:
        form = class_form(self, symbol, kind)
        symbol.digest = digest("class", form)
        symbol.text = class_text(self, symbol, kind, form)

    def _build_constant(self, value: Any, where: str, symbol: Symbol) -> None:
        form = self.describe(symbol, value, where)
        symbol.digest = digest("constant", form)
        name = symbol.name.partition(":")[2].lstrip("@")
        symbol.text = f"{name} = {readable(value)}"

    def _build_module(self, module: Place, symbol: Symbol) -> None:
        source = self.source(symbol, module)
        if source is not None:
            symbol.digest = digest("module", normal_form(source.tree))
            symbol.text = "\n".join(source.lines)
        for name, value in list((module.namespace or {}).items()):  # lazy imports add to it
            if name.startswith("__") or isinstance(value, types.ModuleType):
                continue
            try:
                self.describe(Symbol(name=name), value, name)
            except Opaque:  # nobody has named it; the module's text still counts
                continue
            self._value(symbol, value, module.namespace or {}, name)


def _external(symbol: Symbol, origin: Origin, name: str) -> Json:
    """Note the use of somebody else's code; `name` tells what of it."""
    if origin.kind == "distribution":
        symbol.distributions[origin.name] = origin.version
        symbol.files.update(dict.fromkeys(origin.files))
    return {"$external": name}
