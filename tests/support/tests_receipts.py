"""A project of many dependencies, and a command line answered by its receipt and in full."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests_cli import Answer, steady
from tests_project import ProjectFolder

from dagrun.cli.answering import answer
from dagrun.cli.main import main

PIPELINE = """
    import json
    import os
    from pathlib import Path

    from dagrun import Files, stage
    from helper import FACTOR
    from package.inner import offset

    try:
        from extra import BONUS
    except ImportError:
        BONUS = 0

    # one comment
    LEVEL = json.loads(Path("settings.json").read_text())["level"]
    MODE = os.environ.get("TESTED_MODE", "plain")

    @stage
    def lines(files: Files = Files("data/*.txt")) -> list:
        return [text for _, stream in files.open() for text in stream.read().decode().split()]

    @stage
    def document(lines, size: int = 9000) -> dict:
        return {"lines": lines, "long": "x" * size}

    @stage(outputs=("low", "high"))
    def split(lines, at: int = 1):
        return lines[:at], lines[at:]

    @stage
    def total(low, high, document) -> list:
        return [FACTOR, offset(), BONUS, LEVEL, MODE, low, high, len(document)]
"""
FILES = {
    "pipeline.py": PIPELINE,
    "helper.py": "FACTOR = 2\n",
    "package/__init__.py": "",
    "package/inner.py": "def offset():\n    return 10\n",
    "settings.json": '{"level": 1}',
    "data/a.txt": "one two",
    "data/b.txt": "three",
    "other.py": "from dagrun import stage\n\n@stage\ndef alone() -> int:\n    return 1\n",
}


def write_project(root: Path) -> ProjectFolder:
    project = ProjectFolder(root)
    project.write("pyproject.toml", "[project]\nname = 'p'\n")
    for name, text in FILES.items():
        project.write(name, text)
    return project


@contextlib.contextmanager
def inside(root: Path) -> Iterator[None]:
    """Be in the project as the process of a command line is, from its first load on."""
    path, here = list(sys.path), os.getcwd()
    sys.path.insert(0, str(root))
    os.chdir(root)
    try:
        yield
    finally:
        os.chdir(here)
        sys.path[:] = path


def said(words: Sequence[str], *, fully: bool) -> Answer | None:
    """Carry a command line out, in full or by its receipt; None if there is none that holds."""
    out, err = io.StringIO(), io.StringIO()
    current = os.environ.pop("PYTEST_CURRENT_TEST")  # another one in each phase of a test
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(words) if fully else answer(words)
    finally:
        os.environ["PYTEST_CURRENT_TEST"] = current
    return None if code is None else Answer(code, out.getvalue(), err.getvalue())


@dataclass
class Both:
    """What the receipt said (None: nothing) and what the full command then said."""

    quick: Answer | None
    full: Answer

    @property
    def answered(self) -> bool:
        return self.quick is not None


def both(*words: str) -> Both:
    """Ask the receipt, then the full command; what the receipt says must be the same."""
    quick = said(words, fully=False)
    full = said(words, fully=True)
    assert full is not None
    if quick is not None:
        assert quick.code == full.code, full.err
        assert steady(quick.err) == steady(full.err), f"{quick.err}\n--- in full ---\n{full.err}"
        assert without_run(quick, words) == without_run(full, words)
    return Both(quick, full)


def without_run(given: Answer, words: Sequence[str]) -> object:
    """Return standard output, a run's document without what is new in each run."""
    if "--json" not in words or words[0] != "run":
        return given.out
    document = given.document
    assert list(document)[:6] == ["run_id", "pipeline", "status", "seconds", "commit", "dirty"]
    return {name: document[name] for name in document if name not in ("run_id", "seconds")}
