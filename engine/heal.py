"""Healing in the middle of a run: an input whose bytes are damaged is made again at once.

Guarantee: the stage that needs the input goes on with data of the same logical digest, or fails
with an error that says why; it is never given other data. Healing reaches as far up as there is
damage. The limits: the input's own entry must be there, its producer must still be what it was
(code, params, sources), and a producer's `timeout` is not watched while it is called for healing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dagrun.engine.canonical import decode
from dagrun.engine.errors import DamagedBlob, StageFailed
from dagrun.engine.events import Output
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Store

if TYPE_CHECKING:
    from dagrun.engine.execute import Reply, Request


def make_again(
    request: Request,
    name: str,
    store: Store,
    damage: DamagedBlob,
    perform: Callable[[Request], Reply],
) -> Output:
    """Run the producer of input `name` again with `perform`; return the artifact it made.

    Raises `StageFailed`.
    """
    key, item = request.producers[name]
    doing = f"loading input {name!r}"
    made = store.entries.read(key)
    inputs = _inputs(made, store) if made else None
    if made is None or inputs is None:
        raise StageFailed(request.stage, doing, damage) from damage
    logging.getLogger("dagrun").warning(
        "input %r of stage %r was damaged; running stage %r again", name, request.stage, made.stage
    )
    reply = perform(
        replace(
            request,
            stage=made.stage,
            key=key,
            inputs=inputs,
            producers=dict(made.producers),
            overrides=_overrides(made),
            force=False,
        )
    )
    if reply.error is not None:
        again = f"{damage}; making it again: {reply.error}"
        raise StageFailed(request.stage, doing, again) from damage
    output = reply.outputs[item]
    if output.logical != request.inputs[name].logical:
        raise StageFailed(
            request.stage,
            doing,
            f"{damage}; stage {made.stage!r} made it again and gave other data, so it is not "
            "deterministic. Run again with: dagrun run (what is downstream will follow)",
        ) from damage
    return output


def _inputs(made: Entry, store: Store) -> dict[str, Output] | None:
    """Return what an entry was made from, or None when part of it is unknown here."""
    inputs = {}
    for name, (key, item) in made.producers.items():
        entry = store.entries.read(key)
        if entry is None or item not in entry.outputs:
            return None
        inputs[name] = entry.outputs[item]
    return inputs


def _overrides(made: Entry) -> dict[str, Any]:
    """Return the params an entry was made with; sources are what the pipeline says they are."""
    forms = made.preimage.get("params", {})
    is_source = {name: isinstance(form, dict) and "$source" in form for name, form in forms.items()}
    return {name: decode(form) for name, form in forms.items() if not is_source[name]}
