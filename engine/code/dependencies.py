"""Dependencies: the code version of a stage as a list, each symbol with its place and its way.

Guarantee: every symbol that counts in the key is listed once, with the shortest chain of symbols by
which the stage reaches it. The place is found in the file as it is now, by the name alone; the
limit: where a name is bound in a way that cannot be seen (by `globals()`, say), the file is given
without a line.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dagrun.engine.code.closure import CodeVersion
from dagrun.engine.code.distributions import Origins
from dagrun.engine.code.syntax import first_line, read_source

SymbolKind = Literal["function", "class", "constant", "module"]
_Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """One symbol that a stage reaches.

    Attributes:
        name: `module:qualname`, as in the code version.
        kind: what it is; a function that a decorator replaced is still a function.
        file: relative to the project's root where it is beneath it; None when there is none.
        line: of its definition or of the statement that binds it, decorators included.
        path: the chain of symbols from the stage to this one, both included.
        text: source, or `NAME = value`.
        digest: what of it is in the key.
    """

    name: str
    kind: SymbolKind
    file: Path | None
    line: int | None
    path: tuple[str, ...]
    text: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """What the code of one stage depends on.

    Attributes:
        symbols: its own function first, then by length of the way, file and line.
        distributions: installed distributions reached, and their versions.
        warnings: places whose reach is not visible, and what was taken instead.
    """

    stage: str
    symbols: tuple[Reached, ...]
    distributions: Mapping[str, str]
    warnings: tuple[str, ...]


def list_dependencies(stage: str, code: CodeVersion, root: Path) -> Dependencies:
    """Return the code version of a stage as a list; `root` is the project's."""
    files = _files_by_module(code, root)
    trees: dict[Path, ast.Module | None] = {}
    symbols = []
    for name, path in code.paths.items():
        module, _, qualname = name.partition(":")
        file = files.get(module)
        if file is not None and file not in trees:
            source = read_source(module, str(file))
            trees[file] = source.tree if source else None
        tree = trees.get(file) if file else None
        kind, line = _find(tree, qualname) if tree else (_guess(qualname), None)
        symbols.append(
            Reached(
                name=name,
                kind=kind,
                file=file.relative_to(root) if file and file.is_relative_to(root) else file,
                line=line,
                path=path,
                text=code.texts[name],
                digest=code.symbols[name],
            )
        )
    return Dependencies(
        stage=stage,
        symbols=tuple(sorted(symbols, key=_position)),
        distributions=code.distributions,
        warnings=code.warnings,
    )


def _position(symbol: Reached) -> tuple[int, str, int, str]:
    return len(symbol.path), str(symbol.file or ""), symbol.line or 0, symbol.name


def _files_by_module(code: CodeVersion, root: Path) -> dict[str, Path]:
    """Return the files that were read, by the names that symbols have for their modules."""
    origins = Origins(root)
    wanted = {str(path) for path in code.files}
    files: dict[str, Path] = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file in wanted:
            files[origins.of(name, file).name] = Path(file)
    for path in code.files:  # named by an import that has not been carried out
        if origins.relative(str(path)) is not None:
            files.setdefault(origins.of("", str(path)).name, path)
    return files


def _guess(qualname: str) -> SymbolKind:
    return "module" if qualname == "*" else "constant"


def _find(tree: ast.Module, qualname: str) -> tuple[SymbolKind, int | None]:
    """Return what a qualified name is in a module, and its line."""
    if qualname == "*":
        return "module", 1
    *outer, name = qualname.strip("@()").replace(".<locals>", "").split(".")
    place: ast.AST = tree
    for part in outer:
        inner = [node for node in _same_scope(place) if isinstance(node, _Named)]
        place = next((node for node in reversed(inner) if node.name == part), place)
    kind: SymbolKind = "constant"
    line = None
    for node in _same_scope(place):
        if isinstance(node, _Named) and node.name == name:
            kind = "class" if isinstance(node, ast.ClassDef) else "function"
            line = first_line(node)
        elif _binds(node, name):
            kind, line = "constant", getattr(node, "lineno", None)
    return kind, line


def _binds(node: ast.AST, name: str) -> bool:
    """Tell whether a node is an assignment's target or an import's alias of that name."""
    if isinstance(node, ast.Name):
        return node.id == name and isinstance(node.ctx, ast.Store)
    if isinstance(node, ast.alias):
        return (node.asname or node.name.partition(".")[0]) == name
    return False


def _same_scope(place: ast.AST) -> Iterator[ast.AST]:
    """Yield what is inside `place`, in order, but not what is inside functions and classes."""
    for node in ast.iter_child_nodes(place):
        yield node
        if not isinstance(node, _SCOPES):
            yield from _same_scope(node)
