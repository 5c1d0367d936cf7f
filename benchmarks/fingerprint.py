"""Does an edit make the stage run again? Five tools, one matrix of edits, each right or wrong.

The projects and edits are those of the test suite (tests/support/closure_*.py). Each tool is given
the stage `model` as its documentation says: joblib `Memory.cache`, Hamilton with its cache, Prefect
with `INPUTS + TASK_SOURCE`, redun `task`, dagrun `stage`. Each runs the project once; then, for
every edit, from a copy of that state at the same place on disk (another one for "moved project"),
in a fresh process. Whether it ran again is told by a call that the stage makes into a package
beside the project. An edit of dagrun's own packages is nothing to the others.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from environments import prepare
from session import ROOT, Session, is_quick

sys.path.append(str(ROOT / "tests" / "support"))

import closure_corner_edits
import closure_corners
import closure_edits
import closure_project

TOOLS = ("dagrun", "joblib", "hamilton", "prefect", "redun")
SCRATCH = ROOT / "build" / "bench" / "fingerprint"
DRIVER = Path(__file__).parent / "fingerprint_peers" / "driver.py"
THIRD_PARTY = ".venv/site-packages/thirdparty/__init__.py"
RECORDER = """

plain = function


def function(x):
    with open({calls!r}, "a") as calls:
        calls.write("x")
    return plain(x)
"""
DATA = {"rows.csv": "a\n1\n"}
"""What dagrun reads as a source of the first project."""
OURS = {"dagrun's machinery", "ready-made stage code", "stage settings"}
"""Edits of dagrun itself, or of what only dagrun is told."""
KEYED_OTHERWISE = {"param default, keyed as a param"}
"""Not part of a code version, but of a key: the stage must run again."""
MOVED = ("moved project", "pipeline.py", "", "pipeline.py")

Files = Mapping[str, str]
Edit = tuple[str, ...]


class NotRun(Exception):
    """A tool cannot be set up or fails on the unedited project."""


def matrix(*, quick: bool) -> list[tuple[Files, Edit, bool]]:
    """Return the project, the edit, and whether the stage should run again, for every edit."""
    found: list[tuple[Files, Edit, bool]] = [(closure_project.FILES, MOVED, False)]
    for files, module in (
        (closure_project.FILES, closure_edits),
        (closure_corners.FILES, closure_corner_edits),
    ):
        found += [(files, edit, edit[0] in KEYED_OTHERWISE) for edit in module.KEEPING]
        found += [(files, edit, True) for edit in module.CHANGING]
    return found[::6] if quick else found


def edited(files: Files, edit: Edit) -> dict[str, str]:
    """Return a project's files after an edit."""
    _, file, old, new, *_ = edit
    after = dict(files)
    if old is None:
        after[file] = after.get(file, "") + new
    elif old == "":
        after[new] = after.pop(file)
    else:
        after[file] = after[file].replace(old, new, 1)
    return after


class Contender:
    """One tool's driver, and the project and cache that it works on."""

    def __init__(self, tool: str) -> None:
        self.home = SCRATCH / tool
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        self.calls = self.home / "calls"
        try:
            python = prepare(tool, SCRATCH) / "python"
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            raise NotRun(f"its environment cannot be set up: {error}") from error
        self._errors = (self.home / "errors").open("w")
        self.driver = subprocess.Popen(
            [str(python), str(DRIVER), tool, str(self.home / "cache")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._kept: dict[int, Path] = {}

    def runs_again(self, files: Files, edit: Edit) -> bool:
        """Tell whether the stage ran after an edit. Raises `NotRun`."""
        kept = self._kept.get(id(files)) or self._prepare(files)
        shutil.rmtree(self.home / "now", ignore_errors=True)
        shutil.rmtree(self.home / "cache", ignore_errors=True)
        place = "moved" if edit is MOVED else "now"
        shutil.rmtree(self.home / place, ignore_errors=True)
        shutil.copytree(kept / "now", self.home / place)
        shutil.copytree(kept / "cache", self.home / "cache")
        _, file, old, *_ = edit
        if old == "":
            (self.home / place / file).unlink()
        return self._run(edited(files, edit), place)

    def _prepare(self, files: Files) -> Path:
        """Run a project unedited, and again, and keep what is there then."""
        for part in ("now", "cache"):
            shutil.rmtree(self.home / part, ignore_errors=True)
        (self.home / "cache").mkdir()
        if not self._run(files, "now"):
            raise NotRun("the unedited project was not run at first")
        if self._run(files, "now"):
            raise NotRun("the unedited project was run twice")
        kept = self.home / f"kept{len(self._kept)}"
        for part in ("now", "cache"):
            shutil.copytree(self.home / part, kept / part)
        self._kept[id(files)] = kept
        return kept

    def _run(self, files: Files, place: str) -> bool:
        for name, text in {**files, **DATA}.items():
            path = self.home / place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            more = RECORDER.format(calls=str(self.calls)) if name == THIRD_PARTY else ""
            path.write_text(text + more, "utf-8")
        self.calls.unlink(missing_ok=True)
        assert self.driver.stdin
        assert self.driver.stdout
        try:
            self.driver.stdin.write(f"{self.home / place}\n")
            self.driver.stdin.flush()
            error = json.loads(self.driver.stdout.readline())
        except (OSError, ValueError):
            raise NotRun(f"it does not start: {(self.home / 'errors').read_text()}") from None
        if error:
            raise NotRun(f"it fails, in {place}: {error.rstrip().splitlines()[-1]}")
        return self.calls.exists()

    def close(self) -> None:
        """End the driver."""
        self.driver.communicate()
        self._errors.close()


def answers(tool: str, edits: list[tuple[Files, Edit, bool]]) -> list[str]:
    """Return "right", "wrong" or "n/a" for every edit. Raises `NotRun`."""
    contender = Contender(tool)
    try:
        found = []
        for files, edit, should in edits:
            if tool != "dagrun" and edit[0] in OURS:
                found.append("n/a")
            else:
                found.append("right" if contender.runs_again(files, edit) == should else "wrong")
        return found
    finally:
        contender.close()


def main() -> None:
    """Run the session."""
    quick = is_quick()
    session = Session("fingerprint", quick=quick)
    edits = matrix(quick=quick)
    found: dict[str, list[str]] = {}
    for tool in TOOLS:
        try:
            found[tool] = answers(tool, edits)
        except NotRun as problem:
            print(f"  {tool} is left out: {problem}", flush=True)
    print(f"\n| edit | run again? | {' | '.join(found)} |")
    print(f"|---|---|{'---|' * len(found)}")
    for number, (_, edit, should) in enumerate(edits):
        row = " | ".join(found[tool][number] for tool in found)
        print(f"| {edit[0]} | {'yes' if should else 'no'} | {row} |")
    shares = {
        tool: (each.count("right"), len(each) - each.count("n/a")) for tool, each in found.items()
    }
    totals = " | ".join(f"{right} of {asked}" for right, asked in shares.values())
    print(f"| **right** | | {totals} |\n")
    for tool, (right, asked) in shares.items():
        session.record(f"{tool} right", [right], "edits")
        session.record(f"{tool} asked", [asked], "edits")
        session.ratio(f"right: {tool}", f"{tool} right", f"{tool} asked")
    session.finish()


if __name__ == "__main__":
    main()
