"""Resources: what stages ask for, and how much of it a run may hand out.

`memory` (bytes) and `cpus` are known to everybody; any other name, such as `gpu` or `database`,
is a number of slots that the run's limits must grant. They are declarations, compared before a
run starts, so that nobody waits for what will never be free.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dagrun.engine.dispatching import machine
from dagrun.engine.dispatching.amounts import show_amount
from dagrun.engine.errors import DefinitionError, listing, nearest
from dagrun.engine.stage import Stage


class ResourceUnknown(DefinitionError):
    """A stage asks for something that no limit counts."""

    def __init__(self, stage: str, where: str, name: str, known: list[str]) -> None:
        self.stage, self.name = stage, name
        super().__init__(
            f"stage {stage!r} ({where}) asks for {name!r}, and nothing says how many there are."
            f"{nearest(name, known)} Limits: {listing(known)}. Give --limit {name}=N, or "
            f"[tool.dagrun] limits = {{ {name} = N }} in pyproject.toml"
        )


class ResourceTooSmall(DefinitionError):
    """A stage asks for more than there is, so it could never start."""

    def __init__(self, stage: str, where: str, name: str, wanted: float, limit: str) -> None:
        self.stage, self.name, self.wanted = stage, name, wanted
        super().__init__(
            f"stage {stage!r} ({where}) asks for {name}={show_amount(name, wanted)}, and there is "
            f"{limit}. Ask for less, or raise it with --limit {name}={show_amount(name, wanted)}"
        )


def make_capacity(
    stages: Iterable[Stage[..., Any]], jobs: int | None, *limits: Mapping[str, float]
) -> dict[str, float]:
    """Return all that a run may hand out: what the machine has, or what the last of `limits` says.

    Refuses what could never start: raises `ResourceUnknown` or `ResourceTooSmall`.
    """
    jobs = jobs or machine.available().count
    capacity: dict[str, float] = {"memory": machine.memory().size, "cpus": jobs}
    for each in limits:
        capacity |= each
    capacity["jobs"] = jobs
    for stage in stages:
        for name, wanted in stage.resources.items():
            if name not in capacity:
                known = [each for each in capacity if each != "jobs"]
                raise ResourceUnknown(stage.name, stage.where, name, known)
            if wanted > capacity[name] and name != "cpus":
                limit = f"{show_amount(name, capacity[name])} ({_origin(name, capacity)})"
                raise ResourceTooSmall(stage.name, stage.where, name, wanted, limit)
    return capacity


def make_demand(stage: Stage[..., Any], capacity: Mapping[str, float]) -> dict[str, float]:
    """Return what one attempt at a stage takes: a place, a CPU or more, and what it asks for.

    A stage that asks for more CPUs than there are takes all of them.
    """
    cpus = min(stage.resources.get("cpus", 1.0), capacity["cpus"])
    return {**stage.resources, "jobs": 1, "cpus": cpus}


def _origin(name: str, capacity: Mapping[str, float]) -> str:
    found = machine.memory()
    if name == "memory" and capacity[name] == found.size:
        return f"the {found.limit}'s"
    return "by the run's limits"
