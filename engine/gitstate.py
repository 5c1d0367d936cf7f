"""The git state of a project's tree, asked for in the background.

Guarantee: git never delays what goes on meanwhile, and its absence or failure is no error. Nothing
heavy is imported here. The limit: the answer is of some instant between asking and reading.
"""

from __future__ import annotations

import os

_COMMAND = ("status", "--porcelain=v2", "--branch", "--untracked-files=normal")


class GitState:
    """The commit and dirtiness of the project's tree."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        folder = os.fspath(root)
        self._process = self._answer = 0
        if not (_is_versioned(folder) or "GIT_DIR" in os.environ):
            return
        answer, question = os.pipe()
        try:
            self._process = os.posix_spawnp(
                "git",
                ["git", "-C", folder, *_COMMAND],
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_DUP2, question, 1),
                ],
                setsid=True,
            )
            self._answer = answer
        except (OSError, NotImplementedError):
            os.close(answer)
        finally:
            os.close(question)

    def read(self) -> tuple[str | None, bool | None]:
        """Return `(commit, dirty)`; both None outside a git repository."""
        if not self._process:
            return None, None
        with os.fdopen(self._answer, encoding="utf-8", errors="replace") as answer:
            lines = answer.read().splitlines()
        _, status = os.waitpid(self._process, 0)
        self._process = 0
        if status != 0:
            return None, None
        commits = [line.split()[2] for line in lines if line.startswith("# branch.oid ")]
        commit = commits[0] if commits and commits[0] != "(initial)" else None
        return commit, any(not line.startswith("#") for line in lines)


def _is_versioned(folder: str) -> bool:
    while not os.path.exists(f"{folder}/.git"):  # noqa: PTH110 (no pathlib here)
        above = os.path.dirname(folder)  # noqa: PTH120
        if above == folder:
            return False
        folder = above
    return True
