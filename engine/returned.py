"""What a stage's function returned, held against what the stage declares."""

from __future__ import annotations

from typing import Any

from dagrun.engine.errors import DagrunError
from dagrun.engine.stage import Stage, Verdict


class BadResult(DagrunError):
    """A stage returned something else than it declares."""

    def __init__(self, stage: str, problem: str) -> None:
        self.stage = stage
        super().__init__(f"stage {stage!r} {problem}")


def split_outputs(stage: Stage[..., Any], value: Any) -> dict[str, Any]:
    """Return what a stage returned by the names of its outputs. Raises `BadResult`."""
    if stage.gate and not isinstance(value, Verdict):
        problem = f"is a gate and must return a Verdict, not {type(value).__name__}"
        raise BadResult(stage.name, problem)
    if not stage.named:
        return {stage.name: value}
    if isinstance(value, dict) and set(value) == set(stage.outputs):
        return value
    count = len(stage.outputs)
    if not isinstance(value, tuple) or len(value) != count:
        found = f"{len(value)}" if isinstance(value, tuple) else f"a {type(value).__name__}"
        problem = f"declares {count} outputs {stage.outputs} and returned {found}"
        raise BadResult(stage.name, problem)
    return dict(zip(stage.outputs, value, strict=True))
