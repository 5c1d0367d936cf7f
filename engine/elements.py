"""Elements: what a mapped stage is called with, one key each.

Guarantee: an element's key is that of the plain stage called with it, so it depends on no other
element and not on its place. The limit: a document or a table that is mapped over is read whole
to know its elements.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dagrun.engine.canonical import Json, encode, to_bytes, type_name
from dagrun.engine.codec import DOCUMENT_CODEC
from dagrun.engine.documents import document_digest, to_form
from dagrun.engine.errors import DagrunError
from dagrun.engine.events import Output
from dagrun.engine.keys import Recipe, param_form
from dagrun.engine.lists import is_list, outputs_of

_LONGEST_LABEL = 40

Load = Callable[[Output], Any]


class NotAList(DagrunError):
    """A stage is mapped over something that has no elements in order."""

    def __init__(self, stage: str, name: str, value: object) -> None:
        self.stage, self.name, self.kind = stage, name, type(value)
        super().__init__(
            f"stage {stage!r} is mapped over {name!r}, which is a {type_name(self.kind)}. Return a "
            "list or tuple from the stage that makes it, or a table, whose rows are the elements"
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One call of a mapped stage.

    Attributes:
        index: its place in the list.
        label: a few words for people: the value it stands for.
        inputs: what takes the place of the input that is mapped over.
        params: the values of the params that are swept; of `Files` mapped over, a file's name.
    """

    index: int
    label: str
    inputs: Mapping[str, Output] = dataclasses.field(default_factory=dict)
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def forms(self) -> dict[str, Json]:
        """Its params in canonical form, as a request for it carries them."""
        return {name: encode(value) for name, value in self.params.items()}


def expand(recipe: Recipe, inputs: Mapping[str, Output], load: Load) -> tuple[Element, ...]:
    """Return the elements of a mapped stage in order. Raises `NotAList`."""
    stage = recipe.stage
    if stage.over in recipe.params:
        names = enumerate(recipe.params[stage.over].find())
        return tuple(
            Element(index=index, label=name, params={stage.over: name}) for index, name in names
        )
    if stage.over:
        parts = _parts(stage.name, stage.over, inputs[stage.over], load)
        return tuple(
            Element(index=index, label=label, inputs={stage.over: output})
            for index, (label, output) in enumerate(parts)
        )
    combinations = itertools.product(*(recipe.params[name] for name in stage.swept))
    every = [dict(zip(stage.swept, values, strict=True)) for values in combinations]
    return tuple(
        Element(
            index=index,
            label=" ".join(f"{name}={value!r}" for name, value in params.items()),
            params=params,
        )
        for index, params in enumerate(every)
    )


def _parts(stage: str, name: str, output: Output, load: Load) -> Iterator[tuple[str, Output]]:
    if is_list(output):
        yield from outputs_of(output)
        return
    value = load(output)
    if output.columns:
        value = value.iter_rows(named=True)
    elif not isinstance(value, list | tuple):
        raise NotAList(stage, name, value)
    for item in value:
        form = to_form(item)
        yield (
            _label(item),
            Output(
                codec=DOCUMENT_CODEC,
                inline=form,
                logical=document_digest(form),
                size=len(to_bytes(form)),
            ),
        )


def _label(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 3] + "..."


def element_recipe(recipe: Recipe, params: Mapping[str, Any]) -> Recipe:
    """Return the recipe of one element: that of a plain stage with these params.

    `params` are those of the `Element`. Raises `DagrunError` when a file of it is gone.
    """
    over = recipe.stage.over
    if over in params:
        params = {over: recipe.params[over].pick(params[over])}
    settings = {name: item for name, item in recipe.form["settings"].items() if name != "over"}
    forms = {name: param_form(recipe.stage, name, value) for name, value in params.items()}
    form = {**recipe.form, "settings": settings, "params": {**recipe.form["params"], **forms}}
    return dataclasses.replace(recipe, params={**recipe.params, **params}, form=form)
