"""The page of all ops: what for, settings, gaps, counterparts, and a computed example."""

from __future__ import annotations

import datetime as dt
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl

from dagrun.stages import features
from dagrun.stages.ops.catalog import OPS
from op_example import Example
from op_examples import EXAMPLES

INTRO = """\
Every op that ships with dagrun, with the constructor that makes its features, what becomes of null,
NaN and values unseen in training, its counterpart in other libraries, and an example. The values
are computed when this page is written: plain columns are raw rows, bold ones features. Each op is
defined once, with two twins that [give the same bits](../howto/define-features.md)."""


def ops_page(note: str, signature: Callable[[str, Any], str]) -> str:
    """Write the page; `signature` writes one of a callable."""
    parts = ["# Every op", note, INTRO, _contents()]
    for example in EXAMPLES:
        parts += _section(example, signature)
    return "\n\n".join(parts) + "\n"


def fit(example: Example) -> features.FeatureSpec:
    """Return the spec of an example."""
    own = {name: pl.DataFrame(columns) for name, columns in example.table.items()}
    written = eval(f"feature_set({example.call})", {**vars(features), **own, "dt": dt})
    spec: features.FeatureSpec = written.fit(pl.DataFrame(example.train, strict=False))
    return spec


def _contents() -> str:
    links = (f"[`{one.constructor}`](#{one.constructor})" for one in EXAMPLES)
    return " · ".join(links)


def _section(example: Example, signature: Callable[[str, Any], str]) -> Iterator[str]:
    constructor = getattr(features, example.constructor)
    yield f"## {example.constructor}"
    yield f"```python\n{signature(example.constructor, constructor)}\n```"
    yield inspect.getdoc(constructor) or ""
    for name in example.ops:
        text, twin = meaning(name)
        label = "" if (name,) == example.ops and name == example.constructor else f"`{name}`: "
        yield f"{label}{text}"
        if twin:
            yield f"*Elsewhere:* {twin}"
    yield f"*Gaps:* {example.gaps}"
    yield f"```python\n{example.call}\n```"
    yield table(example)


def meaning(name: str) -> tuple[str, str]:
    """Return what an op's docstring says, and apart from it the sentence on its counterparts."""
    said, _, rest = (inspect.getdoc(OPS[name]) or "").partition("Twin: ")
    twin = " ".join(rest.split())
    if found := re.fullmatch(r"(.*?\.) ([A-Z].*)", twin):
        return f"{said.rstrip()}\n\n{found[2]}", found[1]
    return said.rstrip(), twin


def table(example: Example) -> str:
    """Return the example's training rows in words, its rows and features (bold) as a table."""
    rows = pl.DataFrame(example.rows, strict=False)
    spec = fit(example)
    matrix = spec.transform(rows).select(spec.names)
    titles = [*rows.columns, *(f"**{_shown(name)}**" for name in matrix.columns)]
    lines = [titles, ["---"] * len(titles)]
    lines += zip(*_columns(rows), *_columns(matrix), strict=True)
    trained = pl.DataFrame(example.train, strict=False)
    pairs = zip(trained.columns, _columns(trained), strict=True)
    told = "; ".join(f"`{name}` = {', '.join(values)}" for name, values in pairs)
    own = "".join(f", `{name}` being {dict(columns)}" for name, columns in example.table.items())
    drawn = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"Fitted on {told}{own}:\n\n{drawn}"


def _columns(frame: pl.DataFrame) -> list[list[str]]:
    return [[_text(value, column.dtype) for value in column] for column in frame]


def _text(value: Any, dtype: pl.DataType) -> str:
    if value is None:
        return "null"
    if dtype == pl.Float32:
        return str(np.float32(value))
    return f'"{value}"' if isinstance(value, str) else str(value)


def _shown(text: str) -> str:
    return text.replace("\x1f", "␟").replace("|", "\\|")
