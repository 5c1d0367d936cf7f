"""Amounts of a resource, as people write them: `"4GB"`, `2`, and as numbers.

Decimal units count by 1,000 and binary ones (`GiB`) by 1,024.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dagrun.engine.errors import DefinitionError

_UNITS = {"": 1, "B": 1} | {
    f"{letter}{ending}": factor**power
    for power, letter in enumerate("KMGT", 1)
    for ending, factor in (("B", 1000), ("iB", 1024))
}


class SettingInvalid(DefinitionError):
    """A setting cannot be read. The message says why; who catches it knows where it stands."""


def read_amount(name: str, amount: object) -> float:
    """Return an amount as a number: of bytes for `memory`, which may be written `"4GB"`, `"4GiB"`.

    Raises `SettingInvalid`.
    """
    number: float | None = None
    if isinstance(amount, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", amount)
        units = _UNITS if name == "memory" else {"": 1}
        if match and match[2] in units:
            number = float(match[1]) * units[match[2]]
    elif isinstance(amount, int | float) and not isinstance(amount, bool):
        number = float(amount)
    if number is None or not number > 0:
        form = "a size such as '4GB' or '512MiB'" if name == "memory" else "a positive number"
        raise SettingInvalid(f"{name} must be {form}, not {amount!r}")
    return number


def read_amounts(amounts: object) -> dict[str, float]:
    """Return `{name: number}` of what was declared or set. Raises `SettingInvalid`."""
    if not isinstance(amounts, Mapping):
        raise SettingInvalid(
            f"resources must be a mapping such as {{'memory': '4GB', 'gpu': 1}}, not {amounts!r}"
        )
    for name in amounts:
        if not isinstance(name, str) or not name.isidentifier() or name == "jobs":
            raise SettingInvalid(f"{name!r} cannot name a resource; known are memory and cpus")
    return {name: read_amount(name, amount) for name, amount in amounts.items()}


def show_amount(name: str, amount: float) -> str:
    """Return an amount as people write it."""
    if name != "memory":
        return f"{amount:g}"
    for unit in ("TB", "GB", "MB", "KB"):
        if amount >= _UNITS[unit]:
            return f"{amount / _UNITS[unit]:.3g}{unit}"
    return f"{amount:g}B"
