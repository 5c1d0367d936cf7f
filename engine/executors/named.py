"""The executors by the names that users type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor

from dagrun.engine.executors.inline import InlineExecutor
from dagrun.engine.executors.processes import ProcessExecutor

PUBLISHING = 16
"""How many results may be on their way to the disk besides the attempts that compute."""

EXECUTORS: Mapping[str, Callable[[int], Executor]] = {
    "inline": lambda _jobs: InlineExecutor(),
    "threads": lambda jobs: ThreadPoolExecutor(jobs + PUBLISHING, thread_name_prefix="dagrun"),
    "processes": ProcessExecutor,
}
"""Each takes the number of stages that may compute at a time."""
