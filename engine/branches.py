"""Branches: which stages a condition prunes, and what their consumers get instead.

A pruned stage makes nothing and fails nothing. A consumer whose parameter admits None gets None
for the branch that was pruned, and its key is that of having been given None; any other consumer
is pruned with it.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any

from dagrun.engine.canonical import type_name
from dagrun.engine.codec import DOCUMENT_CODEC
from dagrun.engine.documents import document_digest
from dagrun.engine.errors import DagrunError
from dagrun.engine.events import Output
from dagrun.engine.stage import Stage, Verdict

NOTHING = Output(codec=DOCUMENT_CODEC, inline=None, logical=document_digest(None), size=4)
"""What stands for every artifact of a pruned stage."""


class NoCondition(DagrunError):
    """What should decide whether a stage runs says neither yes nor no."""

    def __init__(self, stage: str, name: str, value: object) -> None:
        self.stage, self.name, self.kind = stage, name, type(value)
        super().__init__(
            f"stage {stage!r} runs when {name!r}, which is a {type_name(self.kind)}, neither true "
            "nor false. Return a bool or a Verdict from the stage that makes it"
        )


def why_pruned(
    stage: Stage[..., Any],
    pruned: Collection[str],
    outputs: Mapping[str, Output],
    load: Callable[[Output], Any],
) -> str:
    """Return why a stage is pruned, or "" if it is not, as far as `outputs` are known.

    `pruned` are the artifacts of pruned stages. Raises `NoCondition`.
    """
    condition = stage.condition
    if condition in pruned:
        return f"{condition} was pruned"
    if condition in outputs:
        value = load(outputs[condition])
        holds = value.passed if isinstance(value, Verdict) else value
        if not isinstance(holds, bool):
            raise NoCondition(stage.name, condition, value)
        if holds is not stage.expected:
            return f"{condition} is {'true' if holds else 'false'}"
    missing = [name for name in stage.inputs if name in pruned and not admits_none(stage, name)]
    return f"{missing[0]} was pruned" if missing else ""


def admits_none(stage: Stage[..., Any], name: str) -> bool:
    """Tell whether the annotation of a parameter admits None."""
    hint = stage.annotations.get(name)
    if hint is None:
        # It could not be evaluated, so it is read as it was written.
        written = str(getattr(stage.function, "__annotations__", {}).get(name, ""))
        return not {"None", "Optional"}.isdisjoint(re.findall(r"\w+", written))
    return type(None) in typing.get_args(hint)


def without_none(hint: Any) -> Any:
    """Return what an annotation asks for besides None."""
    kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
    is_union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    return kinds[0] if is_union and len(kinds) == 1 else hint
