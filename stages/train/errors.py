"""What is said when a model cannot be trained."""

from __future__ import annotations

from dagrun.engine.errors import DagrunError


class TrainingInvalid(DagrunError):
    """What is to be trained on, or how, makes no sense."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"cannot train: {problem}")
