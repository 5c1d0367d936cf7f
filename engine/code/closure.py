"""Code version: the identity of all code and constants that a stage's function can reach.

Guarantee: an edit to anything a stage reaches by names (helpers in any module, methods, decorators,
defaults, closures, constants, the versions of distributions) changes a digest in `symbols` or a
version in `distributions`; comments, docstrings, formatting, position, and the place of the project
on disk change nothing. Reach that cannot be seen (`getattr` on a module, `importlib`) takes whole
modules and is warned of; a global without identifiable content is refused (`OpaqueObject`).
The limits are those of the parts: see `symbols`, `resolve`, `constants` and `distributions`.

Functions must still have the source they were imported from, their modules must be in `sys.modules`
under their names, and the folders that the project imports from must be on `sys.path`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagrun.engine.code.definitions import Symbol
from dagrun.engine.code.symbols import Symbols
from dagrun.engine.code.tabular import Opaque
from dagrun.engine.errors import DefinitionError


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeVersion:
    """What one stage reaches. The key depends on `symbols` and `distributions`, on nothing else.

    Attributes:
        symbols: `module:qualname` to the digest of its code or value; modules are named by their
            place under the root, so a moved project keeps them.
        texts: the same names to source text or `NAME = value`, for diffs.
        paths: the same names to the chain of symbols by which the stage reaches them, itself first.
        distributions: reached installed distributions and their versions.
        warnings: places whose reach is not visible, with what was taken instead.
        files: the files that were read for all this.
    """

    symbols: Mapping[str, str]
    texts: Mapping[str, str]
    paths: Mapping[str, tuple[str, ...]]
    distributions: Mapping[str, str]
    warnings: tuple[str, ...]
    files: tuple[Path, ...]


class OpaqueObject(DefinitionError):
    """Code of a stage uses a global, default or closure variable that nothing can identify."""

    def __init__(self, stage: str, opaque: Opaque, path: tuple[str, ...]) -> None:
        self.stage, self.where, self.kind, self.path = stage, opaque.where, opaque.kind, path
        reached = " -> ".join(name.partition(":")[2] for name in path)
        module = path[-1].partition(":")[0]
        advice = f" {opaque.advice}" if opaque.advice else ""
        super().__init__(
            f"stage {stage!r}: {opaque.where} in {module} is a {opaque.kind}, whose content dagrun "
            f"cannot identify, so it could not tell when results go stale.{advice} It is reached "
            f"by {reached}. Build it inside the function that uses it, or make it a param, the "
            "output of a stage, or a constant of plain values"
        )


class Closures:
    """Code versions of one project at one moment; what stages share is looked at once."""

    def __init__(self, root: Path) -> None:
        self._symbols = Symbols(root)

    def code_version(self, function: Callable[..., Any], where: str) -> CodeVersion:
        """Return the code version of a stage's function; `where` names the stage in messages.

        Raises `OpaqueObject`, or `SourceChanged` when a file was edited after it was imported.
        """
        stage = self._symbols.stage(function)
        try:
            self._symbols.fill(stage, function)
        except Opaque as opaque:
            raise OpaqueObject(where, opaque, (stage.name,)) from None
        found: dict[str, Symbol] = {stage.name: stage}
        paths: dict[str, tuple[str, ...]] = {stage.name: (stage.name,)}
        waiting = [stage]
        for symbol in waiting:  # grows while it is read: breadth first, so paths are the shortest
            path = paths[symbol.name]
            for name in symbol.references:
                if name in found:
                    continue
                paths[name] = (*path, name)
                try:
                    found[name] = self._symbols.get(name)
                except Opaque as opaque:
                    raise OpaqueObject(where, opaque, paths[name]) from None
                waiting.append(found[name])
        return _collect(found, paths, where)


def _collect(
    found: Mapping[str, Symbol], paths: Mapping[str, tuple[str, ...]], where: str
) -> CodeVersion:
    names = sorted(found)
    distributions: dict[str, str] = {}
    warnings: dict[str, None] = {}
    files: dict[Path, None] = {}
    for symbol in found.values():
        distributions |= symbol.distributions
        if not symbol.name.startswith("dagrun."):  # its reach is ours to know, not the user's
            warnings |= symbol.warnings
        files |= symbol.files
    return CodeVersion(
        symbols={name: found[name].digest for name in names},
        texts={name: found[name].text for name in names},
        paths={name: paths[name] for name in names},
        distributions=dict(sorted(distributions.items())),
        warnings=tuple(f"stage {where!r}: {warning}" for warning in warnings),
        files=tuple(sorted(files)),
    )


def code_version(function: Callable[..., Any], root: Path, where: str) -> CodeVersion:
    """Return the code version of one function; for several stages keep one `Closures`."""
    return Closures(root).code_version(function, where)
