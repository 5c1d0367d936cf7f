"""The arrows between the folders point one way only, without a single exemption.

The table is the one in docs/architecture.md. Imports are read from the syntax tree, those under
`TYPE_CHECKING` and those by a literal name (`import_module("dagrun.x")`) included. What cannot be
seen is a module name that is computed while the program runs.
"""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

Modules = dict[str, tuple[Path, ast.Module]]

MAY_IMPORT = {
    "dagrun.engine": ("dagrun.engine",),
    "dagrun.proto": ("dagrun.proto",),
    "dagrun.stages": ("dagrun.stages", "dagrun.engine"),
    "dagrun.server": (
        "dagrun.server",
        "dagrun.stages.features",
        "dagrun.stages.ops",
        "dagrun.stages.bundle",
        "dagrun.stages.catalog",
        "dagrun.stages.versions",
        "dagrun.engine",
        "dagrun.proto",
    ),
    "dagrun": ("dagrun",),
}
LOADERS = {"import_module", "__import__"}


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def layer(name: str) -> str:
    return next(package for package in MAY_IMPORT if within(name, package))


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def imported(node: ast.AST, modules: Modules) -> list[str]:
    """Return the modules of ours that one statement or call imports."""
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and not node.level:
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            names.append(inner if inner in modules else str(node.module))
    elif isinstance(node, ast.Call) and called(node) in LOADERS:
        names = [str(a.value) for a in node.args[:1] if isinstance(a, ast.Constant)]
    return [name for name in names if within(name, "dagrun")]


def imports(modules: Modules) -> Iterator[tuple[str, int, str]]:
    for name, (_, tree) in modules.items():
        for node in ast.walk(tree):
            for target in imported(node, modules):
                yield name, node.lineno, target


def test_every_module_imports_only_what_its_folder_may(modules: Modules) -> None:
    wrong = [
        f"{name}:{line} imports {target}"
        for name, line, target in imports(modules)
        if not any(within(target, package) for package in MAY_IMPORT[layer(name)])
    ]
    assert wrong == []


def test_our_own_modules_are_imported_at_the_top_of_a_module(modules: Modules) -> None:
    hidden = [
        f"{name}:{node.lineno} imports {target} inside {function.name}()"
        for name, (_, tree) in modules.items()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        for target in imported(node, modules)
    ]
    assert hidden == []


def test_our_own_modules_are_imported_by_their_full_names(modules: Modules) -> None:
    relative = [
        f"{name}:{node.lineno}"
        for name, (_, tree) in modules.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield what runs on import: not functions, not what only a type checker sees."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield from top_level([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from top_level([*node.body, *node.orelse, *node.finalbody])
        else:
            yield node


def test_no_modules_import_each_other_in_a_circle(modules: Modules) -> None:
    graph = {
        name: {
            target
            for node in top_level(tree.body)
            for target in imported(node, modules)
            if target != name
        }
        for name, (_, tree) in modules.items()
    }
    graphlib.TopologicalSorter(graph).prepare()


def test_a_folder_has_at_most_one_level_of_rooms(root: Path, folders: dict[str, str]) -> None:
    deep = [
        str(path.relative_to(root))
        for folder in folders
        for path in (root / folder).rglob("*.py")
        if len(path.relative_to(root / folder).parts) > 2
    ]
    assert deep == []


def test_the_rules_do_see_what_they_forbid() -> None:
    modules: Modules = {"dagrun.stages.train": (Path(), ast.parse(""))}
    seen = {
        "from dagrun.stages import train": ["dagrun.stages.train"],
        "from dagrun.stages import other": ["dagrun.stages"],
        "import dagrun.server.client as c": ["dagrun.server.client"],
        "importlib.import_module('dagrun.cli')": ["dagrun.cli"],
        "import polars": [],
    }
    for text, targets in seen.items():
        nodes = ast.walk(ast.parse(text))
        assert [name for node in nodes for name in imported(node, modules)] == targets
