"""An artifact on the terminal: where it comes from, and what is in it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagrun.engine.events import Output
from dagrun.engine.explaining.acceptance import tell_accepted
from dagrun.engine.lists import is_list, outputs_of
from dagrun.engine.store.entries import Entry
from dagrun.ui.columns import aligned, indented
from dagrun.ui.quantities import ago, counted, seconds, short, size
from dagrun.ui.terminal import paint

if TYPE_CHECKING:
    import polars as pl

HEAD_ROWS = 5
_LONG = 40  # a list of longer items is told one a line
_BUNDLES = "dagrun.stages.bundle.codec:"
_SHOWN_OF_MODEL = ("calibrated", "family", "rounds")


def entry_lines(entry: Entry, stale: str) -> list[str]:
    """Return what is known of how a stage made its outputs; `stale` says why they are not fresh."""
    params = entry.preimage.get("params", {})
    facts = {
        "made": f"{ago(entry.created)} in {seconds(entry.seconds)}",
        "key": short(entry.key),
        "params": ", ".join(f"{name} = {param_text(value)}" for name, value in params.items()),
        "inputs": ", ".join(inputs_of(entry)),
        "accepted": _accepted(entry),
        "stale": paint(stale, "warn"),
    }
    return fact_lines({name: text for name, text in facts.items() if text})


def _accepted(entry: Entry) -> str:
    """Say who let an earlier result stand for this key, and what had been edited."""
    told = tell_accepted(entry).removeprefix("accepted ")
    record = entry.accepted
    return f"{told} ({record['change']}; stands: {short(record['stands'])})" if told else ""


def inputs_of(entry: Entry) -> list[str]:
    """Return each input's name with its digest."""
    inputs = entry.preimage.get("inputs", {})
    return [f"{name} ({short(digest)})" for name, digest in inputs.items()]


def param_text(value: Any) -> str:
    """Return a param's JSON form as a person would write it."""
    if isinstance(value, dict) and list(value) == ["$float"]:
        number = value["$float"]
        return number if number == "nan" else repr(float.fromhex(number))
    if isinstance(value, dict) and list(value) == ["$source"]:
        kind, identity = value["$source"]
        files = identity.get("files") if isinstance(identity, dict) else None
        return f"{kind}({', '.join(files)})" if files else str(kind)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."


def fact_lines(facts: Mapping[str, str]) -> list[str]:
    """Return `name  text` lines, indented and aligned."""
    return [f"  {line}" for line in aligned([[name, text] for name, text in facts.items()])]


def output_line(output: Output) -> str:
    """Return an output's rows, size and digest in one line."""
    rows = f"{counted(output.rows, 'row')}, " if output.rows is not None else ""
    if is_list(output):
        rows = f"{counted(len(output.inline), 'element')}, {rows}"
    return f"{rows}{size(output.size)}, digest {short(output.logical)}"


def content_lines(output: Output, value: Any) -> list[str]:
    """Return what is in an artifact, as its kind allows; of a list, what each element holds."""
    if is_list(output):
        parts = [[label, output_line(part)] for label, part in outputs_of(output)]
        return [f"  {line}" for line in aligned(parts)]
    if output.columns:
        columns = [[name, output.columns[name][0]] for name in value.columns]
        schema = [f"  {line}" for line in aligned(columns)]
        return [*schema, *table_head(value).splitlines()]
    if isinstance(value, Path):
        return [f"  file  {value}"]
    return [indented(document_text(as_document(output, value)))]


def as_document(output: Output, value: Any) -> Any:
    """Return a document as it is, a model, spec or bundle by its facts, all as JSON's types."""
    return plain(_FACTS[output.codec](value) if output.codec in _FACTS else value)


def table_head(frame: pl.DataFrame) -> str:
    """Return the first rows of a table, drawn as Polars draws them."""
    import polars as pl

    with pl.Config(tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
        return str(frame.head(HEAD_ROWS))


def document_text(value: Any) -> str:
    """Return a document as indented `name: value` lines; lists of like records become tables."""
    value = plain(value)
    if isinstance(value, dict) and value:
        return "\n".join(_member(str(name), item) for name, item in value.items())
    if isinstance(value, list) and value:
        if table := _records(value):
            return table
        return "\n".join(f"- {document_text(item).lstrip()}" for item in value)
    return _scalar(value)


def _member(name: str, item: Any) -> str:
    if isinstance(item, dict | list) and item:
        if isinstance(item, list) and not any(isinstance(each, dict | list) for each in item):
            texts = [_scalar(each) for each in item]
            if not any(len(text) > _LONG for text in texts):
                return f"{name}: {', '.join(texts)}"
        return f"{name}:\n{indented(document_text(item))}"
    return f"{name}: {_scalar(item)}"


def _records(items: list[Any]) -> str:
    """Return records with the same scalar fields as a table, or nothing."""
    first = items[0]
    if not isinstance(first, dict) or not all(
        isinstance(item, dict)
        and list(item) == list(first)
        and not any(isinstance(field, dict | list) for field in item.values())
        for item in items
    ):
        return ""
    rows = [[str(name) for name in first]]
    rows += [[_scalar(field) for field in item.values()] for item in items]
    return "\n".join(aligned(rows))


def _scalar(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if value in ({}, []):
        return "(empty)"
    return "null" if value is None else str(value)


def plain(value: Any) -> Any:
    """Return a document as JSON's own types, for reading only; what has none becomes text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _bundle_facts(bundle: Any) -> dict[str, Any]:
    return {
        "model": bundle.name,
        "bundle": short(bundle.digest),
        "task": bundle.task,
        **({} if bundle.threshold is None else {"threshold": bundle.threshold}),
        "trained": bundle.trained,
        "metrics": bundle.metrics,
        "golden rows": bundle.golden.rows.height,
        **_spec_facts(bundle.spec),
        **{name: fact for name, fact in bundle.booster.facts().items() if name in _SHOWN_OF_MODEL},
    }


def _spec_facts(spec: Any) -> dict[str, Any]:
    return {
        "inputs": [f"{column.name} {column.dtype}" for column in spec.inputs],
        "features": list(spec.names),
        "label": spec.label,
    }


def _model_facts(model: Any) -> dict[str, Any]:
    facts: dict[str, Any] = model.facts()
    return facts


_FACTS: Mapping[str, Callable[[Any], Mapping[str, Any]]] = {
    f"{_BUNDLES}BUNDLE": _bundle_facts,
    f"{_BUNDLES}BOOSTER": _model_facts,
    f"{_BUNDLES}MODEL": _model_facts,
    "dagrun.stages.features.codec:SPEC": _spec_facts,
}
