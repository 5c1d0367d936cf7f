"""Why a server does not start: nothing could be served, or a worker ended."""

from __future__ import annotations

from collections.abc import Mapping

from dagrun.engine.errors import DagrunError
from dagrun.server.supervisor.channel import Document


class NotServed(DagrunError):
    """What is to be served at the start cannot be.

    Attributes:
        problems: by route, as workers tell them (see `dagrun.server.supervisor.channel`).
    """

    def __init__(self, problems: Mapping[str, Document]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem["text"]) for problem in problems.values()))


class WorkerDied(DagrunError):
    """A worker ended before it served for the first time."""

    def __init__(self, how: str) -> None:
        self.how = how
        super().__init__(
            f"{how} before it served anything; nothing was served. What it wrote is above; if it "
            "was killed, look for the reason in the system's log (memory?)"
        )
