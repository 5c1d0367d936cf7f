"""Past runs by what the project was under version control: a commit, a branch, a tag.

Guarantee: of several runs of one commit the newest that came to its end counts, one of a clean
tree before one of a tree with edits. The limit: a run that was made outside of version control has
no commit, and a name that is a run's id means that run.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from dagrun.engine.history.runlog import Run, Runs, UnknownRun

_BACK = re.compile(r"last~(\d+)")
_WHOLE = ("done", "halted")


def read_run(runs: Runs, name: str) -> Run:
    """Return a run by its id, `last`, `last~N` for the Nth before it, or a git revision.

    Raises `UnknownRun`.
    """
    if back := _BACK.fullmatch(name):
        ids = runs.ids()
        place = len(ids) - 1 - int(back[1])
        if place < 0:
            raise UnknownRun(name, ids)
        return runs.read(ids[place])
    try:
        return runs.read(name)
    except UnknownRun:
        commit = read_commit(runs.root, name)
        found = run_of(runs, commit) if commit else None
        if found is None:
            raise
        return found


def run_of(runs: Runs, commit: str) -> Run | None:
    """Return the newest run of a commit that came to its end, of a clean tree if there is one."""
    edited: Run | None = None
    for run in runs.newest_first():
        if run.header.get("commit") == commit and run.status in _WHOLE:
            if not run.header.get("dirty"):
                return run
            edited = edited or run
    return edited


def read_commit(root: Path, name: str) -> str | None:
    """Return the commit that git means by a name; None without git, or if there is none."""
    if name.startswith("-"):
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return done.stdout.strip() or None
