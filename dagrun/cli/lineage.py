"""`dagrun show NAME --lineage`, and runs as OpenLineage events: where artifacts come from."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagrun
from dagrun.cli.documents import show_document
from dagrun.cli.opening import open_store
from dagrun.engine.history.lineage import Step, trace
from dagrun.engine.history.openlineage import export
from dagrun.engine.history.runlog import Runs
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Store
from dagrun.ui.ancestry import lineage_lines
from dagrun.ui.quantities import counted
from dagrun.ui.terminal import show, tell


def show_lineage(store: Store, name: str, entry: Entry, as_json: bool) -> int:
    """Show what an artifact, or what a stage made, was made from."""
    steps = trace(store, entry)
    if as_json:
        document = [step_document(step) for step in steps]
        show_document({"artifact": name, "key": entry.key, "stages": document})
        return 0
    for line in lineage_lines(name, steps):
        show(line)
    return 0


def step_document(step: Step) -> dict[str, Any]:
    """Return one stage of a lineage as `--json` prints it."""
    outputs = {
        name: {"logical": output.logical, "blob": output.blob, "rows": output.rows}
        for name, output in step.outputs.items()
    }
    document = {
        name: value
        for name, value in ((slot, getattr(step, slot)) for slot in Step.__slots__)
        if name not in ("inputs", "outputs", "sources")
    }
    return {
        **document,
        "stored": step.stored,
        "sources": [asdict(source) for source in step.sources],
        "inputs": {name: asdict(origin) for name, origin in step.inputs.items()},
        "outputs": outputs,
    }


def export_events(
    *, run: str, form: str, output: str | None, namespace: str, pipeline: str | None
) -> int:
    """Write a run's OpenLineage events, one JSON object a line. Raises `UnknownRun`."""
    assert form == "openlineage"
    store = open_store(pipeline)
    producer = f"urn:dagrun:{dagrun.__version__}"
    events = export(store, Runs(store).read(run), namespace=namespace, producer=producer)
    lines = [json.dumps(event, ensure_ascii=False) for event in events]
    if output is None:
        for line in lines:
            show(line)
        return 0
    Path(output).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    tell(f"wrote {counted(len(lines), 'event')} to {output}")
    return 0
