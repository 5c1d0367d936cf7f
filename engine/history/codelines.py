"""The code behind stages, as lines of files: what their entries say they reached.

Guarantee: symbols and texts are those that were in effect when the stages ran, from the store. The
limit: file and lines are where the commit (else the project as it is now) has that very text; a
symbol that is found in neither has no place.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dagrun.engine.errors import DamagedBlob
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeLines:
    """One symbol that stages reached.

    Attributes:
        symbol: `module:qualname`.
        digest: of its code or value.
        stages: the stages that reach it.
        text: its source, or `NAME = value`; None when it is no longer stored.
        file: relative to the project's root, "" when it is not found; `first` and `last` its lines.
    """

    symbol: str
    digest: str
    stages: tuple[str, ...]
    text: str | None
    file: str = ""
    first: int = 0
    last: int = 0


def code_lines(
    store: Store, entries: Iterable[Entry], root: Path, commit: str | None
) -> tuple[CodeLines, ...]:
    """Return the project's own symbols behind entries, each once, by file and line."""
    reached: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        for symbol, digest in entry.preimage["code"].items():
            if not symbol.startswith("dagrun."):
                reached.setdefault((symbol, digest), []).append(entry)

    @cache
    def content(file: str) -> str:
        return _content(root, commit, file)

    found = []
    for (symbol, digest), users in reached.items():
        text = None
        with contextlib.suppress(DamagedBlob):
            text = store.text(users[0], symbol)
        module, _, name = symbol.partition(":")
        file = f"{module.replace('.', '/')}.py"
        first, last = _place(content(file), name, text)
        found.append(
            CodeLines(
                symbol=symbol,
                digest=digest,
                stages=tuple(sorted({user.stage for user in users})),
                text=text,
                file=file if first else "",
                first=first,
                last=last,
            )
        )
    return tuple(
        sorted(found, key=lambda line: (not line.file, line.file, line.first, line.symbol))
    )


def _content(root: Path, commit: str | None, file: str) -> str:
    if commit:
        command = ["git", "-C", str(root), "show", f"{commit}:./{file}"]
        with contextlib.suppress(OSError):
            shown = subprocess.run(command, capture_output=True, check=False)
            if shown.returncode == 0:
                return shown.stdout.decode("utf-8", "replace")
    with contextlib.suppress(OSError):
        return (root / file).read_text("utf-8", "replace")
    return ""


def _place(content: str, name: str, text: str | None) -> tuple[int, int]:
    """Return the first and last line of a symbol; zeros when it is not there."""
    last = re.escape(name.rpartition(".")[2])
    start = rf"^[ \t]*(?:async +)?(?:def|class) +{last}\b|^{last}\b *[:=]"
    found = re.search(start, content, re.MULTILINE)
    if text is None or found is None:
        return 0, 0
    first = content.count("\n", 0, found.start()) + 1
    # The store's text may open with decorators, and tells at its end what its names stand for.
    lines = [line for line in text.splitlines() if not line.startswith(("#", "@"))]
    return first, first + max(len(lines), 1) - 1
