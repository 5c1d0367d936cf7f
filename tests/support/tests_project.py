"""A project on disk, and what a test wants to do with it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

from dagrun.engine.events import Event, RunResult, StageResult
from dagrun.engine.plan import Plan
from dagrun.engine.running import RunSettings
from dagrun.engine.workspace import Explanation, Workspace


@dataclass
class ProjectFolder:
    """A folder with a pipeline; every verb loads it anew, as a new process would."""

    root: Path

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def open(self) -> Workspace:
        return Workspace.open(folder=self.root)

    def run(
        self,
        *,
        targets: tuple[str, ...] = (),
        params: dict[str, str] | None = None,
        force: tuple[str, ...] = (),
        seed: int = 0,
        events: list[Event] | None = None,
        **settings: object,
    ) -> RunResult:
        workspace = self.open()
        selection = workspace.select(targets=targets, params=params, force=force, seed=seed)
        emit = (lambda _: None) if events is None else events.append
        return workspace.run(selection, RunSettings(**settings), emit)

    def plan(self, **params: str) -> Plan:
        workspace = self.open()
        named = {name.replace("__", "."): value for name, value in params.items()}
        return workspace.plan(workspace.select(params=named))[1]

    def why(self, stage: str) -> Explanation:
        workspace = self.open()
        return workspace.why(stage, workspace.select())


def statuses(result: RunResult) -> dict[str, str]:
    return {stage.name: stage.status for stage in (*result.stages, *result.effects)}


def actions(plan: Plan) -> dict[str, str]:
    return {stage.name: stage.action for stage in plan.stages}


def find(result: RunResult, name: str) -> StageResult:
    return next(each for each in result.stages if each.name == name)


def of_elements(result: RunResult, name: str) -> list[str]:
    return [element.status for element in find(result, name).elements or ()]
