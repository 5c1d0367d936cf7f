"""Verifying: executing hits again, and naming what does not come out the same.

Guarantee: nothing in the store is written or replaced; what a stage gives is dumped into a scratch
store, compared by logical digest, and thrown away. The limits: equal digests once do not prove
that a stage is deterministic, only that it was; effects are never executed for this; and where
tables differ, both are loaded into memory to say how.
"""

from __future__ import annotations

import dataclasses
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import ExitStack, contextmanager
from typing import Any

from dagrun.engine.branches import NOTHING
from dagrun.engine.checks.differences import ANOTHER_ORDER, compare_outputs
from dagrun.engine.dispatching.launch import own_process
from dagrun.engine.elements import element_recipe, expand
from dagrun.engine.errors import DagrunError
from dagrun.engine.events import Check, Difference, Event, Output, StageResult, StageVerified
from dagrun.engine.execute import (
    Made,
    Request,
    describe,
    find_handle,
    find_recipe,
    make_outputs,
)
from dagrun.engine.executors.named import EXECUTORS
from dagrun.engine.history.hearing import heard
from dagrun.engine.keys import Recipe, make_key, make_preimage
from dagrun.engine.lists import outputs_of
from dagrun.engine.prepare import Prepared
from dagrun.engine.store.durable import temporary_path
from dagrun.engine.store.store import Store


def verify_hits(
    prepared: Prepared,
    results: Mapping[str, StageResult],
    store: Store,
    *,
    run_id: str,
    overrides: Mapping[str, Mapping[str, Any]],
    share: float,
    capacity: Mapping[str, float],
    executor: str,
    emit: Callable[[Event], None],
) -> tuple[Check, ...] | None:
    """Execute the hits among `results` again, or a `share` of them (at least one), at random.

    None for a share of 0. The inputs are read from the store, so no stage waits for another, and
    as many run at a time as `capacity` has jobs. Of a mapped stage every element is a hit of its
    own. The run's handle must be registered.
    """
    if not share:
        return None
    made = {
        item: (result.key or "", output)
        for result in results.values()
        for item, output in result.outputs.items()
    }
    calls: dict[str, tuple[Request, dict[str, Output]]] = {}
    for name in prepared.order:
        if results[name].status == "hit":
            request = _request(prepared, results[name], made, run_id, overrides)
            calls |= _calls(prepared.recipes[name], request, results[name], store)
    if share < 1 and calls:
        chosen = random.Random(run_id).sample(list(calls), max(1, round(share * len(calls))))
        calls = {name: call for name, call in calls.items() if name in chosen}
    jobs = int(capacity["jobs"])
    checks: dict[str, Check] = {}
    executors: dict[str, Executor] = {}
    running: dict[Future[Check], str] = {}
    waiting = list(reversed(calls.items()))
    with ExitStack() as stack:
        while waiting or running:
            # An executor may have more threads than stages may compute at a time.
            while waiting and len(running) < jobs:
                name, (request, stored) = waiting.pop()
                options = own_process(prepared.recipes[request.stage].stage)
                kind = "processes" if options else executor
                if kind not in executors:
                    executors[kind] = EXECUTORS[kind](jobs)
                    stack.callback(executors[kind].shutdown, wait=False, cancel_futures=True)
                running[executors[kind].submit(check, request, stored, **options)] = name
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name, error = running.pop(future), future.exception()
                found = Check(name=name, error=str(error)) if error else future.result()
                checks[name] = dataclasses.replace(found, name=name)
                done = len(checks)
                emit(StageVerified(check=checks[name], done=done, total=len(calls)))
    return tuple(checks[name] for name in calls)


def _calls(
    recipe: Recipe, request: Request, result: StageResult, store: Store
) -> Iterator[tuple[str, tuple[Request, dict[str, Output]]]]:
    """Yield what to call again, by name, and the outputs that it should give."""
    if not recipe.stage.mapped:
        yield request.stage, (request, dict(result.outputs))
        return
    parts = {name: [part for _, part in outputs_of(it)] for name, it in result.outputs.items()}
    for element in expand(recipe, request.inputs, store.load):
        inputs = {**request.inputs, **element.inputs}
        one = element_recipe(recipe, element.params)
        logical = {name: inputs[name].logical for name in one.stage.inputs}
        asked = dataclasses.replace(
            request,
            key=make_key(make_preimage(one, logical)),
            inputs=inputs,
            element=element.forms,
        )
        stored = {name: outputs[element.index] for name, outputs in parts.items()}
        yield f"{request.stage}[{element.index}]", (asked, stored)


def _request(
    prepared: Prepared,
    result: StageResult,
    made: Mapping[str, tuple[str, Output]],
    run_id: str,
    overrides: Mapping[str, Mapping[str, Any]],
) -> Request:
    project, stage = prepared.pipeline.project, prepared.recipes[result.name].stage
    producers = {item: made.get(item, ("", NOTHING)) for item in stage.inputs}
    return Request(
        run_id=run_id,
        root=project.root,
        pipeline=project.pipeline,
        stage=result.name,
        key=result.key or "",
        seed=prepared.seed,
        inputs={item: output for item, (_, output) in producers.items()},
        producers={item: (key, item) for item, (key, _) in producers.items()},
        overrides=dict(overrides.get(result.name, {})),
        snapshots=prepared.settled(result.name),
    )


@heard
def check(request: Request, stored: dict[str, Output]) -> Check:
    """Execute a stage and compare what it gives with its `stored` outputs. Never raises."""
    try:
        handle = find_handle(request)
        recipe = find_recipe(request, handle)
        with _scratch(handle.store) as scratch:
            made = make_outputs(request, recipe, handle, scratch)
            differences: list[Difference] = []
            for name, output in stored.items():
                differences += compare_outputs(
                    name, handle.store, output, scratch, made.outputs[name]
                )
            return Check(
                name=request.stage,
                seconds=made.seconds,
                differences=tuple(differences),
                cause=_cause(differences, made, recipe.stage.order_by),
            )
    except Exception as error:  # noqa: BLE001 - a stage may raise anything
        return Check(name=request.stage, error=describe(request.stage, error))


@contextmanager
def _scratch(store: Store) -> Iterator[Store]:
    """Give a store that is removed with all that was put into it; also after a crash."""
    folder = temporary_path(store.temporary)
    scratch = Store(folder)
    scratch.temporary.mkdir(parents=True)
    try:
        yield scratch
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _cause(differences: Sequence[Difference], made: Made, order_by: Sequence[str]) -> str:
    moved = [found.output for found in differences if found.what == ANOTHER_ORDER]
    if not differences:
        return ""
    if moved and order_by:
        return f"order_by={tuple(order_by)} leaves ties; add columns that tell the rows apart"
    if set(moved) & set(made.lazy):
        return (
            f"{moved[0]!r} is returned as a LazyFrame without order_by, and a lazy plan need not "
            "keep its row order; declare @stage(order_by=...)"
        )
    if moved:
        return "nothing fixes the order of its rows; sort them, or declare @stage(order_by=...)"
    return "usual causes: random numbers without a seed, the clock, the order of a set"


class BadShare(DagrunError):
    """The share of hits to verify is no share."""

    def __init__(self, share: object) -> None:
        self.share = share
        super().__init__(
            f"--verify={share} is no share of the hits: give a number above 0 and at most 1, "
            "or --verify alone for all. A pipeline comes before it: dagrun run PIPELINE --verify"
        )
