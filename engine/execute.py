"""Executing one attempt at one stage: load its inputs, call it, commit what it returns.

`perform` takes and returns plain data, so that any `concurrent.futures.Executor`, in this
process or another, can carry it. In the process that planned the run it finds the prepared
stage; elsewhere it loads the pipeline itself and refuses to go on unless it arrives at the very
same key. The stage's function is called at most once per key at a time, in all processes.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import platform
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dagrun.engine.branches import NOTHING, admits_none, without_none
from dagrun.engine.canonical import Json, decode
from dagrun.engine.checks.undeclared import UndeclaredReads, declared_only
from dagrun.engine.codec import ordered
from dagrun.engine.context import Context, entered
from dagrun.engine.elements import element_recipe
from dagrun.engine.errors import DagrunError, DamagedBlob, StageFailed
from dagrun.engine.events import Output
from dagrun.engine.explaining.changes import source_sizes
from dagrun.engine.heal import make_again
from dagrun.engine.history.hearing import heard
from dagrun.engine.keys import Recipe, make_key, make_preimage, param_form
from dagrun.engine.pipeline import load_pipeline
from dagrun.engine.prepare import Selection, make_recipes
from dagrun.engine.project import Project
from dagrun.engine.remote.remote import snapshots_of
from dagrun.engine.remote.snapshots import Snapshot
from dagrun.engine.returned import BadResult, split_outputs
from dagrun.engine.sources import Source
from dagrun.engine.statcache import StatCache
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Store
from dagrun.engine.traces import user_trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One attempt to be made.

    Attributes:
        key: the key it must arrive at; "" for an effect.
        inputs: the artifacts to load, by parameter name.
        producers: key and output name behind each input.
        overrides: the stage's params that differ from their defaults.
        force: run although the key has an entry.
        snapshots: what its sources that are elsewhere were read into, by request.
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
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
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
    """A run that is going on in this process; registered while it does.

    `computed` is told each key whose outputs are made and whose entry is about to be published.
    """

    store: Store
    recipes: Mapping[str, Recipe]
    cancelled: threading.Event
    computed: Callable[[str], None] = lambda _key: None


HANDLES: dict[str, Handle] = {}


@contextlib.contextmanager
def registered(run_id: str, handle: Handle) -> Iterator[None]:
    """Let `perform` find the handle of a run while it goes on in this process."""
    HANDLES[run_id] = handle
    try:
        yield
    finally:
        del HANDLES[run_id]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What one call of a stage gave, stored.

    Attributes:
        seconds: how long the function took.
        lazy: names of the outputs that were returned as lazy plans.
    """

    outputs: dict[str, Output]
    seconds: float
    lazy: tuple[str, ...] = ()


@heard
def perform(request: Request) -> Reply:
    """Make one attempt. Never raises for what the stage or the store does wrong."""
    try:
        handle = find_handle(request)
        recipe = find_recipe(request, handle)
        if recipe.stage.effect:
            return _call_effect(request, recipe, handle)
        with handle.store.lock(request.key) as claim:
            if not request.force and (entry := handle.store.use(request.key)):
                handle.store.entries.settle(request.key)
                return Reply(outputs=dict(entry.outputs), seconds=entry.seconds, shared=True)
            entry = _compute(request, recipe, handle)
            handle.computed(request.key)
            # Nobody else can have published it since it was looked for.
            handle.store.commit(claim, entry, recipe.code.texts, force=True)
            return Reply(outputs=dict(entry.outputs), seconds=entry.seconds)
    except Exception as error:  # noqa: BLE001 - a stage may raise anything
        trace = None if isinstance(error, UndeclaredReads) else user_trace(error)
        return Reply(error=describe(request.stage, error), trace=trace)


def find_handle(request: Request) -> Handle:
    """Return the run's handle in this process, loading the pipeline if there is none.

    Raises `ProjectChanged` when what is loaded is not what was planned.
    """
    return HANDLES.get(request.run_id) or _load_handle(request)


def find_recipe(request: Request, handle: Handle) -> Recipe:
    """Return the recipe of the stage that is asked for, or of one of its elements."""
    recipe = handle.recipes[request.stage]
    if request.element is None:
        return recipe
    return element_recipe(recipe, {name: decode(form) for name, form in request.element.items()})


def _load_handle(request: Request) -> Handle:
    """Load the pipeline in this process and check that it is the one that was planned."""
    store = Store.open(request.root)
    stats = StatCache(store.folder / "stats.json")
    pipeline = load_pipeline(Project(root=request.root, pipeline=request.pipeline))
    selection = Selection(overrides={request.stage: request.overrides}, seed=request.seed)
    recipes = make_recipes(pipeline, [request.stage], selection, stats, settled=request.snapshots)
    handle = Handle(store=store, recipes=recipes, cancelled=threading.Event())
    recipe = find_recipe(request, handle)
    logical = {name: output.logical for name, output in request.inputs.items()}
    if request.key and make_key(make_preimage(recipe, logical)) != request.key:
        raise ProjectChanged(request.stage)
    return handle


class ProjectChanged(DagrunError):
    """Code or sources were edited between planning a stage and running it."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        super().__init__(
            f"the code, params or sources of stage {stage!r} changed while the run was going on; "
            "nothing was stored for it. Run again"
        )


def _call_effect(request: Request, recipe: Recipe, handle: Handle) -> Reply:
    with _guarded(request, recipe, handle) as context:
        _, seconds = _call(request, recipe, handle, context)
    return Reply(seconds=seconds)


def _compute(request: Request, recipe: Recipe, handle: Handle) -> Entry:
    """Call the stage, store its outputs, and return the entry that is to be published."""
    made = make_outputs(request, recipe, handle, handle.store)
    logical = {name: output.logical for name, output in request.inputs.items()}
    return Entry(
        key=request.key,
        stage=request.stage,
        preimage=make_preimage(recipe, logical),
        outputs=made.outputs,
        producers=dict(request.producers),
        sizes=source_sizes(recipe.params),
        snapshots=snapshots_of(recipe.params),
        seconds=made.seconds,
        created=dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        environment={"host": platform.node(), "python": platform.python_version()},
    )


def make_outputs(request: Request, recipe: Recipe, handle: Handle, into: Store) -> Made:
    """Call the stage on its stored inputs and dump what it returns `into` a store.

    No entry is written. Raises what the stage raises, and `DagrunError` of many kinds.
    """
    with _guarded(request, recipe, handle) as context:
        value, seconds = _call(request, recipe, handle, context)
        parts = split_outputs(recipe.stage, value)
        lazy = tuple(name for name, part in parts.items() if type(part).__name__ == "LazyFrame")
        outputs = {name: _dump(recipe, name, part, into) for name, part in parts.items()}
    _check_sources(recipe)
    return Made(outputs=outputs, seconds=seconds, lazy=lazy)


@contextlib.contextmanager
def _guarded(request: Request, recipe: Recipe, handle: Handle) -> Iterator[Context]:
    """Give the stage's context, until what it left in its scratch folder is stored as well."""
    stage = recipe.stage
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
    with (
        declared_only(stage.name, recipe.params, request.root, handle.store.folder),
        entered(context),
    ):
        yield context


def _call(request: Request, recipe: Recipe, handle: Handle, context: Context) -> tuple[Any, float]:
    """Call the stage's function on its loaded inputs; return its value and the seconds."""
    stage = recipe.stage
    arguments: dict[str, Any] = {}
    for name in stage.inputs:
        output, wanted = request.inputs[name], without_none(stage.annotations.get(name))
        if output.logical == NOTHING.logical and admits_none(stage, name):
            arguments[name] = None
            continue
        try:
            arguments[name] = handle.store.load(output, wanted)
        except DamagedBlob as error:
            healed = make_again(request, name, handle.store, error, perform)
            arguments[name] = handle.store.load(healed, wanted)
    start = time.perf_counter()
    positional = (context,) if stage.takes_context else ()
    value = stage.function(*positional, **arguments, **recipe.params)
    return value, time.perf_counter() - start


def _dump(recipe: Recipe, name: str, value: Any, store: Store) -> Output:
    try:
        return store.dump(ordered(value, recipe.stage.order_by))
    except DagrunError as error:
        raise StageFailed(recipe.stage.name, f"storing output {name!r}", error) from error


def _check_sources(recipe: Recipe) -> None:
    """Refuse a result whose sources changed under it: its key would not be true."""
    for name, value in recipe.params.items():
        if isinstance(value, Source):
            now = param_form(recipe.stage, name, value)
            if now != recipe.form["params"][name]:
                raise ProjectChanged(recipe.stage.name)


def describe(stage: str, error: BaseException) -> str:
    """Return a failed attempt's message, which names the stage."""
    if isinstance(error, (StageFailed, ProjectChanged, BadResult, UndeclaredReads)):
        return str(error)
    return str(StageFailed(stage, "calling it", error))
