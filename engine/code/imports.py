"""Importing project code from its source text, never from cached bytecode.

Python takes a cached `.pyc` for current when the source has the size and the modification second
that it had, so an edit of one digit within a second of the last import would run the old code
under the new code's key. Guarantee: modules outside the standard library and the folders that
distributions are installed in are compiled from their text. The limit: a module that was imported
before `use_sources()` was called, and that the project's loading does not forget, stays as it is.
"""

from __future__ import annotations

import ast
import importlib.machinery as machinery
import importlib.util
import os
import sys
from dataclasses import dataclass
from importlib.abc import PathEntryFinder
from pathlib import Path
from types import CodeType, ModuleType

from dagrun.engine.canonical import digest_bytes
from dagrun.engine.errors import DefinitionError
from dagrun.engine.receipts.stamps import listing, stamp

_INSTALLED = ("site-packages", "dist-packages")
_STDLIB = str(Path(os.__file__).parent) + os.sep


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A source file as it was imported: the BLAKE3 digest of its bytes, and its syntax."""

    digest: str
    tree: ast.Module


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A folder when modules or metadata of distributions were first looked for in it.

    Both are None if there was no folder.
    """

    stamp: list[int] | None
    listing: str | None


LOADED: dict[str, Loaded] = {}
"""The source files that were imported since `use_sources`, by path."""
SEARCHED: dict[str, Searched] = {}
"""The folders that were searched for modules or metadata since then, installed ones left out."""


class SourceLoader(machinery.SourceFileLoader):
    """Compiles a module from its source, whatever bytecode lies beside it, and writes none."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile the module's source."""
        path = self.get_filename(fullname)
        data = self.get_data(path)
        tree = ast.parse(data, path)
        LOADED[path] = Loaded(digest=digest_bytes(data), tree=tree)
        code: CodeType = compile(tree, path, "exec", dont_inherit=True)
        return code


_find_sources = machinery.FileFinder.path_hook(
    (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
    (SourceLoader, machinery.SOURCE_SUFFIXES),
    (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
)


def is_installed(path: str) -> bool:
    """Tell whether a path belongs to an installed distribution or to the standard library."""
    return any(f"{os.sep}{site}{os.sep}" in path for site in _INSTALLED) or path.startswith(_STDLIB)


def use_sources() -> None:
    """Make imports from folders that nothing is installed in go by the source, in this process.

    What was loaded and searched before is forgotten, and noted anew.
    """
    if _hook not in sys.path_hooks:
        sys.path_hooks.insert(0, _hook)
    for folder in [known for known in sys.path_importer_cache if not is_installed(known + os.sep)]:
        del sys.path_importer_cache[folder]
    LOADED.clear()
    SEARCHED.clear()


def note_search(folder: str) -> None:
    """Note a folder as it is, before it is searched for the first time."""
    if folder not in SEARCHED:
        SEARCHED[folder] = Searched(stamp=stamp(folder), listing=listing(folder, modules=True))


def _hook(folder: str) -> PathEntryFinder:
    if is_installed(folder + os.sep):
        raise ImportError("what is installed is imported as ever")
    note_search(folder)
    return _find_sources(folder)


def execute_file(name: str, path: Path) -> ModuleType:
    """Execute a Python file as the module `name`. Raises what it raises, or `DefinitionError`."""
    if path.suffix not in machinery.SOURCE_SUFFIXES:
        raise DefinitionError(f"{path} is not a Python file")
    loader = SourceLoader(name, str(path))
    module = importlib.util.module_from_spec(machinery.ModuleSpec(name, loader, origin=str(path)))
    module.__file__ = str(path)
    sys.modules[name] = module
    loader.exec_module(module)
    return module
