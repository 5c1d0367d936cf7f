"""Executing one attempt at one stage: load its inputs, call it, commit what it returns.

`perform` takes and returns plain data, so that any `concurrent.futures.Executor`, in this
process or another, can carry it. In the process that planned the run it finds the prepared
stage; elsewhere it loads the pipeline itself and refuses to go on unless it arrives at the very
same key. The stage's function is called at most once per key at a time, in all processes.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dagrun.engine.branches import NOTHING, admits_none, without_none
from dagrun.engine.canonical import Json, decode
from dagrun.engine.context import Context, entered
from dagrun.engine.elements import element_recipe
from dagrun.engine.errors import DagrunError, DamagedBlob, StageFailed
from dagrun.engine.events import Output
from dagrun.engine.keys import Recipe, make_key, make_preimage, param_form
from dagrun.engine.pipeline import load_pipeline
from dagrun.engine.prepare import Selection, make_recipes
from dagrun.engine.project import Project
from dagrun.engine.sources import Source
from dagrun.engine.stage import Verdict
from dagrun.engine.statcache import StatCache
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One attempt to be made.

    Attributes:
        key: the key it must arrive at; "" for an effect.
        inputs: the artifacts to load, by parameter name.
        producers: key and output name behind each input.
        overrides: the stage's params that differ from their defaults.
        force: run although the key has an entry.
        element: for an element of a mapped stage, its own params, in canonical form since their
            classes may be the pipeline's; else None.
    """

    run_id: str
    root: Path
    pipeline: Path
    stage: str
    key: str
    seed: int
    inputs: dict[str, Output]
    producers: dict[str, tuple[str, str]]
    overrides: dict[str, Any] = field(default_factory=dict)
    force: bool = False
    element: dict[str, Json] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of an attempt: outputs, or an error with the user's traceback.

    Attributes:
        shared: another process committed the key meanwhile; nothing was called here.
    """

    outputs: dict[str, Output] = field(default_factory=dict)
    seconds: float = 0.0
    shared: bool = False
    error: str | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """A run that is going on in this process; registered while it does."""

    store: Store
    recipes: Mapping[str, Recipe]
    cancelled: threading.Event


HANDLES: dict[str, Handle] = {}


def perform(request: Request) -> Reply:
    """Make one attempt. Never raises for what the stage or the store does wrong."""
    try:
        handle = HANDLES.get(request.run_id) or _load_handle(request)
        recipe = _recipe(request, handle.recipes)
        if recipe.stage.effect:
            return _call_effect(request, recipe, handle)
        with handle.store.lock(request.key):
            if not request.force and (entry := handle.store.find(request.key)):
                return Reply(outputs=dict(entry.outputs), seconds=entry.seconds, shared=True)
            return _compute(request, recipe, handle)
    except Exception as error:  # noqa: BLE001 - a stage may raise anything
        return Reply(error=_describe(request.stage, error), trace=user_trace(error))


def _recipe(request: Request, recipes: Mapping[str, Recipe]) -> Recipe:
    recipe = recipes[request.stage]
    if request.element is None:
        return recipe
    return element_recipe(recipe, {name: decode(form) for name, form in request.element.items()})


def _load_handle(request: Request) -> Handle:
    """Load the pipeline in this process and check that it is the one that was planned."""
    store = Store.open(request.root)
    stats = StatCache(store.folder / "stats.json")
    pipeline = load_pipeline(Project(root=request.root, pipeline=request.pipeline))
    selection = Selection(overrides={request.stage: request.overrides}, seed=request.seed)
    recipes = make_recipes(pipeline, [request.stage], selection, stats)
    recipe = _recipe(request, recipes)
    logical = {name: output.logical for name, output in request.inputs.items()}
    if request.key and make_key(make_preimage(recipe, logical)) != request.key:
        raise ProjectChanged(request.stage)
    return Handle(store=store, recipes=recipes, cancelled=threading.Event())


class ProjectChanged(DagrunError):
    """Code or sources were edited between planning a stage and running it."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        super().__init__(
            f"the code, params or sources of stage {stage!r} changed while the run was going on; "
            "nothing was stored for it. Run again"
        )


class BadResult(DagrunError):
    """A stage returned something else than it declares."""

    def __init__(self, stage: str, problem: str) -> None:
        self.stage = stage
        super().__init__(f"stage {stage!r} {problem}")


def _call_effect(request: Request, recipe: Recipe, handle: Handle) -> Reply:
    _, seconds = _call(request, recipe, handle)
    return Reply(seconds=seconds)


def _compute(request: Request, recipe: Recipe, handle: Handle) -> Reply:
    value, seconds = _call(request, recipe, handle)
    outputs = {
        name: _dump(recipe, name, item, handle.store)
        for name, item in _split_outputs(recipe, value).items()
    }
    _check_sources(recipe)
    logical = {name: output.logical for name, output in request.inputs.items()}
    entry = Entry(
        key=request.key,
        stage=request.stage,
        preimage=make_preimage(recipe, logical),
        outputs=outputs,
        producers=dict(request.producers),
        seconds=seconds,
        created=dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        environment={"host": platform.node(), "python": platform.python_version()},
    )
    force = request.force or not recipe.stage.cache
    stands = handle.store.commit(entry, recipe.code.texts, force=force)
    return Reply(outputs=dict(stands.outputs), seconds=seconds)


def _call(request: Request, recipe: Recipe, handle: Handle) -> tuple[Any, float]:
    """Call the stage's function on its loaded inputs; return its value and the seconds."""
    stage = recipe.stage
    arguments: dict[str, Any] = {}
    for name in stage.inputs:
        output = request.inputs[name]
        if output.logical == NOTHING.logical and admits_none(stage, name):
            arguments[name] = None
            continue
        try:
            arguments[name] = handle.store.load(output, without_none(stage.annotations.get(name)))
        except DamagedBlob as error:
            raise StageFailed(stage.name, f"loading input {name!r}", error) from error
    context = Context(
        stage=stage.name,
        key=request.key,
        run_id=request.run_id,
        seed=request.seed,
        inputs={name: output.logical for name, output in request.inputs.items()},
        store=handle.store,
        cancelled=handle.cancelled,
        deadline=time.monotonic() + stage.timeout if stage.timeout else None,
    )
    with entered(context):
        start = time.perf_counter()
        positional = (context,) if stage.takes_context else ()
        value = stage.function(*positional, **arguments, **recipe.params)
        value = _materialise(stage.order_by, value)
        return value, time.perf_counter() - start


def _materialise(order_by: tuple[str, ...], value: Any) -> Any:
    """Sort table outputs as declared; what is lazy stays so until it is stored."""
    if not order_by:
        return value
    if isinstance(value, tuple):
        return tuple(_materialise(order_by, item) for item in value)
    return value.sort(order_by, maintain_order=True) if hasattr(value, "sort") else value


def _split_outputs(recipe: Recipe, value: Any) -> dict[str, Any]:
    stage = recipe.stage
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


def _dump(recipe: Recipe, name: str, value: Any, store: Store) -> Output:
    try:
        return store.dump(value)
    except DagrunError as error:
        raise StageFailed(recipe.stage.name, f"storing output {name!r}", error) from error


def _check_sources(recipe: Recipe) -> None:
    """Refuse a result whose sources changed under it: its key would not be true."""
    for name, value in recipe.params.items():
        if isinstance(value, Source):
            now = param_form(recipe.stage, name, value)
            if now != recipe.form["params"][name]:
                raise ProjectChanged(recipe.stage.name)


def _describe(stage: str, error: BaseException) -> str:
    if isinstance(error, (StageFailed, ProjectChanged, BadResult)):
        return str(error)
    return str(StageFailed(stage, "calling it", error))


_HERE = Path(__file__).parent
OWN_FOLDERS = (f"{_HERE}{os.sep}", f"{_HERE.parent / 'stages'}{os.sep}")


def user_trace(error: BaseException) -> str:
    """Format a traceback without the frames of the engine and of the ready-made stages."""
    report = traceback.TracebackException.from_exception(error, capture_locals=False)
    link: traceback.TracebackException | None = report
    while link is not None:
        frames = [frame for frame in link.stack if not frame.filename.startswith(OWN_FOLDERS)]
        link.stack = traceback.StackSummary.from_list(frames)
        link = link.__cause__ or link.__context__
    return "".join(report.format())
