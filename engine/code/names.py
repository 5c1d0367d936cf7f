"""The names a definition uses from outside itself, found by its syntax and Python's scope rules.

Guarantee: every name that a function or class body, at any depth, looks up in module globals,
closure cells or builtins is reported, with the attributes that follow it (`h.load.table`), and
every import inside it. The limit: a name assigned in a class body is still reported, since the
body may read the global before it assigns; `exec`, `eval` and `getattr` hide names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
# Tuples, since every node of every definition is asked, and a union takes thrice as long.
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_IMPORTS = (ast.Import, ast.ImportFrom)
_CHAINS = (ast.Attribute, ast.Name)
_SCOPES = (*_FUNCTIONS, ast.ClassDef)
_LEAVES = (ast.expr_context, ast.Constant, ast.operator, ast.cmpop, ast.boolop, ast.unaryop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A name from outside and the attributes read from it at once.

    Attributes:
        names: the name, then the attributes: `("h", "load")` for `h.load(...)`.
        line: line in the file.
        literal: first argument when it is called with a literal string, else None.
    """

    names: tuple[str, ...]
    line: int
    literal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalImport:
    """What an import inside a function binds: a module, or `name` out of it."""

    module: str
    level: int = 0
    name: str | None = None
    line: int


@dataclass(slots=True)
class Names:
    """All uses in order of appearance, and the local imports by the name they bind."""

    uses: dict[Use, None] = field(default_factory=dict)
    imports: dict[str, LocalImport] = field(default_factory=dict)


def used_names(node: ast.AST) -> Names:
    """Return the names that a definition (or a whole module) uses from outside itself."""
    names = Names()
    _scan(node, frozenset(), names)
    bound = {use.names[0] for use in names.uses}
    for name, target in names.imports.items():
        if name not in bound:  # imported for what the import does
            names.uses[Use(names=(name,), line=target.line)] = None
    return names


def _scan(node: ast.AST, bound: frozenset[str], found: Names) -> None:
    """Report the names in `node` that are not in `bound`."""
    if isinstance(node, _LEAVES):
        return
    if isinstance(node, _FUNCTIONS):
        _scan_function(node, bound, found)
    elif isinstance(node, _COMPREHENSIONS):
        _scan(node.generators[0].iter, bound, found)  # the only part evaluated outside
        inner = bound | {name for part in node.generators for name in _stored(part.target)}
        for child in ast.iter_child_nodes(node):
            if child is node.generators[0]:
                _scan_all(node.generators[0].ifs, inner, found)
            else:
                _scan(child, inner, found)
    elif isinstance(node, _IMPORTS):
        found.imports.update(_imports(node))
    elif isinstance(node, ast.Call) and (use := _literal_call(node)):
        _report(use, bound, found)
        _scan_all([*node.args[_is_getattr(node) :], *node.keywords], bound, found)
    elif isinstance(node, _CHAINS) and (use := chain_of(node)):
        stored = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        if not stored:
            _report(use, bound, found)
    else:
        if isinstance(node, ast.AugAssign) and (use := chain_of(node.target)):
            _report(use, bound, found)
        _scan_all(ast.iter_child_nodes(node), bound, found)


def _scan_all(nodes: Iterable[ast.AST], bound: frozenset[str], found: Names) -> None:
    for node in nodes:
        _scan(node, bound, found)


def _scan_function(node: Function, bound: frozenset[str], found: Names) -> None:
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [item for item in (arguments.vararg, arguments.kwarg) if item]
    generic = {item.name for item in getattr(node, "type_params", ())}
    outside: list[ast.AST | None] = [*arguments.defaults, *arguments.kw_defaults]
    outside += [item.annotation for item in every]
    body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else [*node.body]
    if not isinstance(node, ast.Lambda):
        outside += [*node.decorator_list, node.returns]
    _scan_all([item for item in outside if item], bound | generic, found)
    own, shared = _bindings(body)
    outer = {
        name for item in _same_scope(body) if isinstance(item, ast.Nonlocal) for name in item.names
    }
    inner = (bound | generic | (own - outer) | {item.arg for item in every}) - shared
    _scan_all(body, inner, found)


def _bindings(body: list[ast.AST]) -> tuple[set[str], set[str]]:
    """Return the names a function body binds, and those it takes from globals or imports."""
    own: set[str] = set()
    shared: set[str] = set()
    for node in _same_scope(body):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                own.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                own.add(name)
            case ast.ClassDef(name=name):
                own.add(name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchStar(name=str(name)):
                own.add(name)
            case ast.MatchAs(name=str(name)) | ast.MatchMapping(rest=str(name)):
                own.add(name)
            case ast.Global(names=names):
                shared.update(names)
            case ast.Import() | ast.ImportFrom():
                shared.update(_imports(node))
    return own, shared


def _same_scope(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield every node that binds its names in the scope that `nodes` are in."""
    for node in nodes:
        if isinstance(node, _LEAVES):
            continue
        yield node
        if isinstance(node, _COMPREHENSIONS):  # only := reaches out of it
            walked = ast.walk(node)
            yield from (item.target for item in walked if isinstance(item, ast.NamedExpr))
        elif not isinstance(node, _SCOPES):
            yield from _same_scope(ast.iter_child_nodes(node))


def _imports(node: ast.Import | ast.ImportFrom) -> dict[str, LocalImport]:
    if isinstance(node, ast.ImportFrom):
        return {
            item.asname or item.name: LocalImport(
                module=node.module or "", level=node.level, name=item.name, line=node.lineno
            )
            for item in node.names
        }
    return {
        item.asname or item.name.partition(".")[0]: LocalImport(
            module=item.name if item.asname else item.name.partition(".")[0], line=node.lineno
        )
        for item in node.names
    }


def _stored(target: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}


def _report(use: Use, bound: frozenset[str], found: Names) -> None:
    if use.names[0] not in bound:
        found.uses.setdefault(use)


def chain_of(node: ast.AST) -> Use | None:
    """Return `a.b.c` as a use, or None when it does not begin with a name."""
    attributes: list[str] = []
    place = node
    while isinstance(place, ast.Attribute):
        attributes.append(place.attr)
        place = place.value
    if not isinstance(place, ast.Name):
        return None
    return Use(names=(place.id, *reversed(attributes)), line=place.lineno)


def _is_getattr(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "getattr"


def _literal_call(call: ast.Call) -> Use | None:
    """Return `f("x")` as a use of `f` with its literal, `getattr(h, "x")` as a use of `h.x`."""
    place = 1 if _is_getattr(call) else 0
    head = chain_of(call.args[0] if place and call.args else call.func)
    literal = call.args[place] if len(call.args) > place else None
    if head is None or not isinstance(literal, ast.Constant) or type(literal.value) is not str:
        return None
    if place:
        return Use(names=(*head.names, literal.value), line=head.line)
    return Use(names=head.names, line=head.line, literal=literal.value)
