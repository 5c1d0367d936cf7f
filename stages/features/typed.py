"""Whether the fields of a value that was read from a document have their declared types.

Guarantee: what passes could have been written by dagrun, as far as types go, so a damaged document
is refused when it is read instead of computing something else later. An int passes for a float.
The limit: a value of the right type in a wrong place is for digests and golden rows to find.
"""

from __future__ import annotations

import functools
import types
from dataclasses import fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from dagrun.stages.ops.errors import SpecDamaged


def check_fields(value: Any, what: str) -> None:
    """Raise `SpecDamaged` for `what` unless each field of a dataclass has its declared type."""
    hints = _hints(value.__class__)
    for field in fields(value):
        given = getattr(value, field.name)
        if not fits(given, hints.get(field.name, Any)):
            problem = f"has {given!r} for {field.name!r}, which is no {hints[field.name]}"
            raise SpecDamaged(what, problem)


@functools.cache  # not a dict of the module's own, which would count as a constant in keys
def _hints(kind: type[object]) -> dict[str, Any]:
    try:
        return get_type_hints(kind)
    except NameError:  # an op of one's own that imports a name for type checkers only
        return {}


def fits(value: object, hint: Any) -> bool:
    """Return whether a value has a type: a class, None, a union, a Literal or a tuple of these."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in inner)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(inner) == 2 and inner[1] is Ellipsis:
            return all(fits(one, inner[0]) for one in value)
        return len(value) == len(inner) and all(map(fits, value, inner))
    if hint is float:
        return type(value) in (float, int)
    if hint in (int, str, bool, None, types.NoneType):
        return type(value) is (types.NoneType if hint is None else hint)
    return not isinstance(hint, type) or isinstance(value, hint)
