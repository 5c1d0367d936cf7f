"""Arguments of constructors, judged by the types that their signatures declare.

Guarantee: an argument of another type is a `FeatureDefinitionError` that names the constructor, the
argument and what it takes, before anything is done with it. The limit: ranges, and what a column or
feature (`Source`) may be, are for the constructors themselves.
"""

from __future__ import annotations

import functools
import inspect
import reprlib
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from dagrun.stages.ops.errors import FeatureDefinitionError

P = ParamSpec("P")
R = TypeVar("R")


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function, its arguments checked against its signature."""
    name, signature = function.__name__, inspect.signature(function)
    texts = {
        parameter.name: str(parameter.annotation)
        for parameter in signature.parameters.values()
        if parameter.annotation is not parameter.empty and "Source" not in parameter.annotation
    }

    @functools.cache
    def hints() -> dict[str, Any]:
        return get_type_hints(types.SimpleNamespace(__annotations__=texts), function.__globals__)

    @functools.wraps(function)
    def call(*args: P.args, **given: P.kwargs) -> R:
        bound = signature.bind(*args, **given)
        for one, value in bound.arguments.items():
            if one in texts:
                check_argument(name, one, value, hints()[one])
        return function(*args, **given)

    return call


def check_argument(name: str, argument: str, value: object, hint: Any) -> None:
    """Raise `FeatureDefinitionError`, naming `name`, unless an argument has a type."""
    if not accepts(value, hint):
        raise FeatureDefinitionError(
            name, f"{argument} must be {told(hint)}, not {reprlib.repr(value)}"
        )


def accepts(value: object, hint: Any) -> bool:
    """Return whether a value has a type: a class, None, a Literal, or a union or group of these."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(accepts(value, one) for one in inner)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin is Mapping:
        return isinstance(value, Mapping) and all(
            accepts(key, inner[0]) and accepts(one, inner[1]) for key, one in value.items()
        )
    if origin is Sequence:
        if isinstance(value, str):
            return inner == (str,)
        listed = isinstance(value, Iterable) and hasattr(value, "__getitem__")
        plain = listed and not isinstance(value, bytes | Mapping)
        return plain and all(accepts(one, inner[0]) for one in value)  # type: ignore[attr-defined]
    if hint in (float, int):
        wanted = (float, int) if hint is float else int
        return isinstance(value, wanted) and not isinstance(value, bool)
    return isinstance(value, types.NoneType if hint is None else hint)


_WORDS = {float: "a number", int: "a whole number", str: "a string", bool: "True or False"}


def told(hint: Any) -> str:
    """Return a type in words."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(told(one) for one in inner)
    if origin is Literal:
        return f"one of {', '.join(map(repr, inner))}"
    if origin is Mapping:
        return f"a mapping ({told(inner[0])} to {told(inner[1])})"
    if origin is Sequence:
        return f"a list (each {told(inner[0])})"
    if hint in (None, types.NoneType):
        return "None"
    return _WORDS.get(hint) or str(getattr(hint, "__name__", hint))
