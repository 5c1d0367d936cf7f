"""Keys: the digest of everything that determines a stage's result.

`key = H(schema version, code version, params, logical digests of the inputs, distributions
reached, Python's minor version, the declared settings)`, plus the seed for stages that take a
`Context`. The preimage is kept in the entry, so that two keys can be compared part by part.
The limit: what a stage reads without declaring it (a file, the clock) is not in its key.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dagrun.engine.canonical import Json, digest, encode
from dagrun.engine.code.closure import CodeVersion
from dagrun.engine.sources import Source
from dagrun.engine.stage import Stage

SCHEMA_VERSION = 1
"""Raised whenever the engine changes what a key or an artifact's bytes mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A stage's preimage but for its inputs: all that is known before anything runs.

    Attributes:
        stage: the stage.
        params: values its function will be called with (sources bound to the project).
        form: the preimage's JSON form without `inputs`.
        code: the code version behind it.
    """

    stage: Stage[..., Any]
    params: Mapping[str, Any]
    form: Mapping[str, Json]
    code: CodeVersion


def make_recipe(
    stage: Stage[..., Any], params: Mapping[str, Any], code: CodeVersion, seed: int
) -> Recipe:
    """Assemble what is known of a stage before its inputs are."""
    form: dict[str, Json] = {
        "schema": SCHEMA_VERSION,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "code": dict(code.symbols),
        "distributions": dict(code.distributions),
        "params": {name: param_form(stage, name, value) for name, value in params.items()},
        "settings": {
            "function": stage.function.__qualname__,
            "outputs": list(stage.outputs),
            "order_by": list(stage.order_by),
            "gate": stage.gate,
            "version": stage.version,
        },
    }
    if stage.takes_context:
        form["seed"] = seed
    if stage.mapped:
        # Of plain stages it says nothing, so that their keys stay what they always were.
        form["settings"]["over"] = stage.over or list(stage.swept)
    return Recipe(stage=stage, params=params, form=form, code=code)


def param_form(stage: Stage[..., Any], name: str, value: object) -> Json:
    """Return the JSON form by which a param enters the key: a source by its content."""
    where = f"param {stage.name}.{name}"
    if isinstance(value, Source):
        return {"$source": [type(value).__name__, value.identity(where)]}
    return encode(value, where)


def make_preimage(recipe: Recipe, inputs: Mapping[str, str]) -> dict[str, Json]:
    """Complete a recipe with the logical digest of each input."""
    params: Any = recipe.form["params"]
    settled = {name: _settled(form, set(inputs.values())) for name, form in params.items()}
    return {**recipe.form, "params": settled, "inputs": dict(inputs)}


def _settled(form: Any, inputs: set[str]) -> Json:
    """Return a param's form; of a source that is one of several, the first that is no input."""
    match form:
        case {"$source": [kind, {"$first_not_input": candidates}]}:
            first = next((each for each in candidates if each not in inputs), None)
            return {"$source": [kind, {"digest": first or "none"}]}
    return form


def make_key(preimage: Mapping[str, Json]) -> str:
    """Return the key of a preimage."""
    return digest("key", preimage)
