"""Stages: plain functions with declared inputs, params and outputs.

A parameter without a default is the artifact of that name; a parameter with a default is a
param. Calling a stage calls the function, so stages can be used in tests and notebooks as the
plain functions they are. A stage is immutable; what it declares here is checked here, what
depends on other stages is checked by `dagrun.engine.graph`.
"""

from __future__ import annotations

import functools
import inspect
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, ParamSpec, TypeVar, overload

from dagrun.engine.canonical import encode
from dagrun.engine.errors import DefinitionError, Unhashable
from dagrun.engine.sources import Source

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a gate says: whether to go on, and every reason with its numbers."""

    passed: bool
    reasons: tuple[str, ...] = ()


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


_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def _parse_timeout(stage: str, where: str, timeout: float | str | None) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)", timeout)
        if not match:
            problem = f"timeout {timeout!r} is not a duration such as '90s', '30m' or '2h'"
            raise StageInvalid(stage, where, problem)
        timeout = float(match[1]) * _SECONDS[match[2]]
    if timeout <= 0:
        raise StageInvalid(stage, where, f"timeout must be positive, not {timeout!r}")
    return float(timeout)


def _is_context(parameter: inspect.Parameter) -> bool:
    # By name, so that a module with postponed annotations needs no evaluation here.
    kind = parameter.annotation
    name = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
    return name.rpartition(".")[2] == "Context"


def _read_signature(
    name: str, where: str, function: Callable[..., Any]
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
) -> Stage[..., Any]:
    name = getattr(function, "__name__", None)
    if not inspect.isfunction(function) or name is None or not name.isidentifier():
        raise StageInvalid(repr(function), "@stage", "only named functions can be stages")
    where = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    inputs, params, takes_context = _read_signature(name, where, function)
    problems = {
        "outputs must be names, each given once": isinstance(outputs, str)
        or len(set(outputs)) != len(outputs)
        or not all(isinstance(output, str) and output.isidentifier() for output in outputs),
        f"retries must be a whole number from 0 on, not {retries!r}": not isinstance(retries, int)
        or retries < 0,
        "cache=False needs a reason=": not cache and not reason,
        "a reason= without cache=False means nothing": cache and bool(reason),
        "a gate returns one Verdict: it cannot have outputs=": gate and bool(outputs),
        "an effect stores nothing: it cannot be a gate or have outputs=": effect
        and (gate or bool(outputs)),
    }
    for problem, found in problems.items():
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
        timeout=_parse_timeout(name, where, timeout),
        version=version,
        cache=cache,
        reason=reason,
        gate=gate,
        effect=effect,
    )
