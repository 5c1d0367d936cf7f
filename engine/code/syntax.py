"""Source files as syntax: the definition behind a code object, its normal form and its text.

Guarantee: two definitions have the same normal form exactly when they differ in nothing but
comments, docstrings, blank lines, formatting and position. The limit: a file that was edited after
it was imported no longer describes what runs; where a definition cannot be found at the line the
running code came from, that is an error, but an edit that moves no line goes unnoticed here.
"""

from __future__ import annotations

import ast
import copy
import io
import linecache
import textwrap
import tokenize
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import CodeType

from dagrun.engine.canonical import digest_bytes
from dagrun.engine.code.imports import LOADED
from dagrun.engine.errors import DefinitionError

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


class SourceChanged(DefinitionError):
    """A module's file no longer holds the definition that was imported from it."""

    def __init__(self, path: str, qualname: str, line: int) -> None:
        self.path, self.qualname, self.line = path, qualname, line
        super().__init__(
            f"{path} holds no {qualname} at line {line} any more: it was edited after it was "
            "imported. Start the command (or the interpreter) again"
        )


class Source:
    """One parsed source file; `name` is the module's name in symbols."""

    def __init__(self, name: str, path: str, text: str, tree: ast.Module | None = None) -> None:
        self.name, self.path = name, path
        self.lines = text.splitlines()
        try:
            self.tree = tree or ast.parse(text)
        except SyntaxError as error:
            raise DefinitionError(
                f"{path}:{error.lineno}: {error.msg}. dagrun reads the source to know what a stage "
                "runs; was the file edited after it was imported? Mend it and start again"
            ) from error
        self._definitions: dict[str, list[Definition]] = {}
        self._enter(self.tree, "")

    def _enter(self, node: ast.AST, prefix: str) -> None:
        """Index the definitions beneath `node` and drop its docstring-like statements."""
        for block in _BLOCKS:
            statements = getattr(node, block, None)
            if not isinstance(statements, list):
                continue
            kept = [item for item in statements if not _says_nothing(item)]
            if len(kept) != len(statements):
                setattr(node, block, kept or ([ast.Pass()] if block == "body" else []))
            for item in kept:
                if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    name = prefix + item.name
                    self._definitions.setdefault(name, []).append(item)
                    inner = "." if isinstance(item, ast.ClassDef) else ".<locals>."
                    self._enter(item, name + inner)
                else:
                    self._enter(item, prefix)

    @cached_property
    def _lambdas(self) -> list[ast.Lambda]:
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.Lambda)]

    def count(self, qualname: str) -> int:
        """Return how many definitions of that qualified name there are."""
        return len(self._definitions.get(qualname, ()))

    def classes(self, qualname: str) -> list[Definition]:
        """Return every class statement of that qualified name (conditional ones included)."""
        found = self._definitions.get(qualname, ())
        return [node for node in found if isinstance(node, ast.ClassDef)]

    def function(self, code: CodeType) -> list[Definition]:
        """Return the definition that `code` was compiled from.

        More than one only for lambdas of one line on an interpreter without column positions.
        Raises `SourceChanged` when there is none.
        """
        found: list[Definition] = []
        if code.co_name == "<lambda>":
            inside = [node for node in self._lambdas if node.lineno == code.co_firstlineno]
            found += [node for node in inside if _holds(node, code)]
        else:
            named = self._definitions.get(code.co_qualname, ())
            found += [node for node in named if first_line(node) == code.co_firstlineno]
        if not found:
            raise SourceChanged(self.path, code.co_qualname, code.co_firstlineno)
        return found

    def text(self, nodes: Sequence[ast.AST]) -> str:
        """Return the source lines of definitions, decorators included, without indentation."""
        parts = []
        for node in nodes:
            lines = self.lines[first_line(node) - 1 : getattr(node, "end_lineno", None)]
            parts.append(textwrap.dedent("\n".join(lines)))
        return "\n".join(parts)


def read_source(name: str, path: str) -> Source | None:
    """Parse the file at `path`, or the text an interactive session keeps for it; None if none."""
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError):
        text = "".join(linecache.getlines(path))
        return Source(name, path, text) if text else None
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    loaded = LOADED.get(path)
    tree = loaded.tree if loaded and loaded.digest == digest_bytes(data) else None
    return Source(name, path, data.decode(encoding), tree)


def normal_form(node: ast.AST) -> str:
    """Return the syntax of `node` as text without positions."""
    return ast.dump(node)


def without_defaults(node: Definition, drop: Sequence[ast.expr] = ()) -> Definition:
    """Return a copy of a function without its defaults (they count by value) and some decorators.

    `drop` lists the decorators to leave out, by identity. A class keeps everything else.
    """
    trimmed = copy.copy(node)
    if not isinstance(trimmed, ast.ClassDef):
        trimmed.args = copy.copy(trimmed.args)
        trimmed.args.defaults = []
        trimmed.args.kw_defaults = [None] * len(trimmed.args.kwonlyargs)
    if not isinstance(trimmed, ast.Lambda):
        dropped = {id(item) for item in drop}
        trimmed.decorator_list = [d for d in trimmed.decorator_list if id(d) not in dropped]
    return trimmed


def first_line(node: ast.AST) -> int:
    """Return the line a definition begins at, its first decorator's if it has any."""
    lines = [item.lineno for item in getattr(node, "decorator_list", ())]
    return int(min([*lines, getattr(node, "lineno", 1)]))


def _says_nothing(statement: ast.AST) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _holds(node: ast.Lambda, code: CodeType) -> bool:
    """Tell whether every instruction of `code` has its place inside the lambda's body."""
    body = node.body
    begin = body.lineno, body.col_offset
    end = body.end_lineno or body.lineno, body.end_col_offset or 0
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or column is None or end_column is None:
            continue
        preamble = (line, column) == (node.lineno, 0)
        if not preamble and not (begin <= (line, column) and (end_line, end_column) <= end):
            return False
    return True
