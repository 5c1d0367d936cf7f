"""Stages: plain functions with declared inputs, params and outputs.

A parameter without a default is the artifact of that name; a parameter with a default is a
param. Calling a stage calls the function, so stages can be used in tests and notebooks as the
plain functions they are. A stage is immutable; what it declares here is checked here, what
depends on other stages is checked by `dagrun.engine.graph`.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, ParamSpec, TypeVar, overload

from dagrun.engine.canonical import encode
from dagrun.engine.declared import check_over, read_condition, read_swept, read_timeout
from dagrun.engine.dispatching.amounts import SettingInvalid, read_amounts
from dagrun.engine.errors import DefinitionError, Unhashable
from dagrun.engine.sources import Source

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a gate says: whether to go on, and every reason with its numbers.

    Attributes:
        subject: logical digest of the artifact that was judged, under which the store keeps what
            was said (`dagrun.engine.verdicts`); "" keeps it nowhere but in the gate's own artifact.
    """

    passed: bool
    reasons: tuple[str, ...] = ()
    subject: str = ""


class StageInvalid(DefinitionError):
    """A stage's declaration or signature cannot be used."""

    def __init__(self, stage: str, where: str, problem: str) -> None:
        self.stage, self.where, self.problem = stage, where, problem
        super().__init__(f"stage {stage!r} ({where}): {problem}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage(Generic[P, R]):
    """A node of the DAG. Made by `stage`; immutable.

    Attributes:
        name: the stage's name, also its artifact's unless it has named outputs.
        function: the function as written.
        inputs: names of the artifacts it takes, in the order of its signature.
        params: defaults of its params.
        outputs: names of its artifacts: `(name,)`, or the declared ones.
        named: whether the outputs were declared by name (the function returns a tuple of them).
        order_by: columns by which table outputs are sorted before they are stored.
        retries: how many more times a failed attempt is tried.
        timeout: seconds after which an attempt is stopped; it then runs in a process of its own.
        version: a manual salt of the key.
        cache: False makes every run call it again, for the given `reason`.
        gate: it returns a `Verdict`; a refusal halts everything downstream.
        effect: it acts on the world: never cached, runs once its inputs are committed.
        over: the input, or the `Files`, it is mapped over: it is called once for each element.
        swept: the params it is mapped over; `params` holds all values of each.
        condition: the artifact that decides whether it runs; "" for none.
        expected: what that artifact must be for it to run.
        resources: what an attempt takes while it runs: `memory` in bytes, `cpus`, others.
    """

    name: str
    function: Callable[P, R]
    inputs: tuple[str, ...]
    params: Mapping[str, Any]
    takes_context: bool
    outputs: tuple[str, ...]
    named: bool = False
    order_by: tuple[str, ...] = ()
    retries: int = 0
    timeout: float | None = None
    version: str = ""
    cache: bool = True
    reason: str = ""
    gate: bool = False
    effect: bool = False
    over: str = ""
    swept: tuple[str, ...] = ()
    condition: str = ""
    expected: bool = True
    resources: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # What functools.update_wrapper would set, were this class not frozen.
        for name in functools.WRAPPER_ASSIGNMENTS:
            if hasattr(self.function, name):
                object.__setattr__(self, name, getattr(self.function, name))
        object.__setattr__(self, "__wrapped__", self.function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function as written, without store, key or run."""
        return self.function(*args, **kwargs)

    @property
    def __dagrun_function__(self) -> Callable[P, R]:
        """The function as written; what stands for this stage in another one's code version."""
        return self.function

    @property
    def mapped(self) -> bool:
        """Whether it is called once for each of several elements."""
        return bool(self.over or self.swept)

    @property
    def where(self) -> str:
        """`file:line` of the function, for messages."""
        code = inspect.unwrap(self.function).__code__
        return f"{code.co_filename}:{code.co_firstlineno}"

    @functools.cached_property
    def annotations(self) -> Mapping[str, Any]:
        """Resolved annotations of the parameters; empty for those that cannot be resolved."""
        try:
            return typing.get_type_hints(self.function)
        except (NameError, TypeError, AttributeError):
            hints = inspect.get_annotations(self.function)
            return {name: hint for name, hint in hints.items() if not isinstance(hint, str)}


def _is_context(parameter: inspect.Parameter) -> bool:
    # By name, so that a module with postponed annotations needs no evaluation here.
    kind = parameter.annotation
    name = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
    return name.rpartition(".")[2] == "Context"


def _read_signature(
    name: str, where: str, function: Callable[..., Any], swept: Mapping[str, tuple[Any, ...]]
) -> tuple[tuple[str, ...], dict[str, Any], bool]:
    """Return `(inputs, params, takes_context)` of a stage function."""
    parameters = list(inspect.signature(function).parameters.values())
    takes_context = bool(parameters) and _is_context(parameters[0])
    inputs, params = [], {}
    for parameter in parameters[1 if takes_context else 0 :]:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            problem = (
                f"parameter {parameter} has no name that an artifact or a param could have; "
                "name each one"
            )
            raise StageInvalid(name, where, problem)
        if parameter.name in swept:
            params[parameter.name] = swept[parameter.name]
            continue
        if parameter.default is parameter.empty:
            inputs.append(parameter.name)
            continue
        if not isinstance(parameter.default, Source):
            try:
                encode(parameter.default, f"the default of {parameter.name!r}")
            except Unhashable as error:
                raise StageInvalid(name, where, str(error)) from None
        params[parameter.name] = parameter.default
    return tuple(inputs), params, takes_context


@overload
def stage(function: Callable[P, R], /) -> Stage[P, R]: ...
@overload
def stage(
    *,
    outputs: Sequence[str] = ...,
    order_by: str | Sequence[str] = ...,
    retries: int = ...,
    timeout: float | str | None = ...,
    version: str = ...,
    cache: bool = ...,
    reason: str = ...,
    gate: bool = ...,
    effect: bool = ...,
    over: str | Mapping[str, Sequence[Any]] | None = ...,
    when: str = ...,
    resources: Mapping[str, float | str] = ...,
) -> Callable[[Callable[P, R]], Stage[P, R]]: ...
def stage(function: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """Declare a function to be a stage; use bare, or with keyword settings.

    Args:
        outputs: names of several outputs; the function then returns a tuple of them.
        order_by: column(s) that give table outputs their row order before they are stored.
        retries: further attempts after a failure, with exponential backoff and jitter.
        timeout: seconds, or `"90s"`, `"30m"`, `"2h"`.
        version: a salt; change it to make the stage run again.
        cache: False to run it every time; needs `reason`.
        gate: the function returns a `Verdict`; a refusal halts what is downstream.
        effect: the function acts on the world and returns nothing to be stored.
        over: the input whose elements, or the `Files` whose files it is called with, one call and
            one key each; or params with the values of each, `{"depth": (4, 6)}`: it is called
            with every combination.
        when: the artifact, a bool or `Verdict`, without which it is pruned; `"not name"` turns
            it round.
        resources: what it takes while it runs, `{"memory": "4GB", "cpus": 2, "gpu": 1}`.

    Raises:
        StageInvalid: the declaration or the signature cannot be used.
    """
    if function is None:
        return functools.partial(_declare, **settings)
    return _declare(function)


def _declare(
    function: Callable[..., Any],
    *,
    outputs: Sequence[str] = (),
    order_by: str | Sequence[str] = (),
    retries: int = 0,
    timeout: float | str | None = None,
    version: str = "",
    cache: bool = True,
    reason: str = "",
    gate: bool = False,
    effect: bool = False,
    over: str | Mapping[str, Sequence[Any]] | None = None,
    when: str = "",
    resources: Mapping[str, float | str] = MappingProxyType({}),
) -> Stage[..., Any]:
    name = getattr(function, "__name__", None)
    if not inspect.isfunction(function) or name is None or not name.isidentifier():
        raise StageInvalid(repr(function), "@stage", "only named functions can be stages")
    where = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    try:
        swept = read_swept(over)
        inputs, params, takes_context = _read_signature(name, where, function, swept)
        check_over(over, swept, inputs, params)
        condition, expected = read_condition(when)
        seconds, amounts = read_timeout(timeout), read_amounts(resources)
    except SettingInvalid as error:
        raise StageInvalid(name, where, str(error)) from None
    for problem, found in {
        **_contradictions(outputs, cache, reason, gate, effect),
        f"retries must be a whole number from 0 on, not {retries!r}": not isinstance(retries, int)
        or retries < 0,
        "a gate says one thing and an effect acts once: neither can have over=": (gate or effect)
        and over is not None,
    }.items():
        if found:
            raise StageInvalid(name, where, problem)
    return Stage(
        name=name,
        function=function,
        inputs=inputs,
        params=MappingProxyType(params),
        takes_context=takes_context,
        outputs=() if effect else tuple(outputs) or (name,),
        named=bool(outputs),
        order_by=(order_by,) if isinstance(order_by, str) else tuple(order_by),
        retries=retries,
        timeout=seconds,
        version=version,
        cache=cache,
        reason=reason,
        gate=gate,
        effect=effect,
        over=over if isinstance(over, str) else "",
        swept=tuple(swept),
        condition=condition,
        expected=expected,
        resources=MappingProxyType(amounts),
    )


def _contradictions(
    outputs: Sequence[str], cache: bool, reason: str, gate: bool, effect: bool
) -> dict[str, bool]:
    """Return each way in which settings cannot be meant together, and whether these are so."""
    return {
        "outputs must be names, each given once": isinstance(outputs, str)
        or len(set(outputs)) != len(outputs)
        or not all(isinstance(output, str) and output.isidentifier() for output in outputs),
        "cache=False needs a reason=": not cache and not reason,
        "a reason= without cache=False means nothing": cache and bool(reason),
        "a gate returns one Verdict: it cannot have outputs=": gate and bool(outputs),
        "an effect stores nothing: it cannot be a gate or have outputs=": effect
        and (gate or bool(outputs)),
    }
