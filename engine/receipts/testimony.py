"""What the store holds of a run that left nothing to do, and the receipt that is left for the next.

Guarantee: the results it returns are those that the next full run would have, and the evidence
covers the entry of each and its blobs. A stage that ran, or that another process replaced
meanwhile, is read back from its entry. The limit: an entry replaced by `--force` in another process
after that is noticed by its content, when the receipt is asked.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dagrun.engine.canonical import Json, digest_bytes
from dagrun.engine.dispatching import outcomes
from dagrun.engine.events import RunResult, StageResult
from dagrun.engine.plan import Decision, Plan
from dagrun.engine.receipts.evidence import Witness
from dagrun.engine.receipts.receipt import FOLDER, MOST, STORE_RESTING_NS, file_name, to_bytes
from dagrun.engine.receipts.stamps import rested, stamp
from dagrun.engine.store.durable import store_errors, write_whole
from dagrun.engine.store.entries import parse_entry
from dagrun.engine.store.store import Store


def planned(plan: Plan) -> list[StageResult] | None:
    """Return what the stages of a plan in which all hit are known by; None for other plans."""
    results = []
    for name, decision in plan.decisions.items():
        if decision.entry is None:
            return None
        outputs = decision.entry.outputs
        results.append(StageResult(name=name, status="hit", key=decision.key, outputs=outputs))
    return results


def finished(result: RunResult) -> list[StageResult] | None:
    """Return the stages of a run that left nothing to do; None for other runs."""
    left = any(stage.status not in ("hit", "ran", "pruned") for stage in result.stages)
    refused = any(stage.verdict and not stage.verdict["passed"] for stage in result.stages)
    return None if left or refused or result.status != "done" else list(result.stages)


def testify(
    witness: Witness, store: Store, results: Iterable[StageResult]
) -> tuple[Json, list[StageResult]] | None:
    """Return the evidence, and the results that the next run will have; None if in doubt."""
    if witness.doubts or not witness.seen:
        return None
    entries: list[Json] = []
    blobs: dict[str, int | None] = {}
    again: list[StageResult] = []
    for result in results:
        if result.status == "pruned":
            again.append(result)
            continue
        if (found := _find(store, result)) is None:
            witness.doubts.append(f"the entry of {result.name} is not what it was")
            return None
        entries.append(found[0])
        again.append(found[1])
        for output in result.outputs.values():
            if output.blob is not None:
                blobs[output.blob] = output.size
            blobs |= {each: blobs.get(each) for each in output.references}
    kept = {"folder": str(store.folder), "entries": entries, "blobs": blobs}
    return {**witness.seen, "store": kept}, again


def _find(store: Store, result: StageResult) -> tuple[Json, StageResult] | None:
    """Return the stamp of a result's entry, and the result when it hits; None if in doubt."""
    if result.key is None:
        return None
    path = str(store.entries.path(result.key))
    now, found = time.time_ns(), stamp(path)
    if found is None:
        return None
    data = Path(path).read_bytes()
    at_rest = rested(found, now, STORE_RESTING_NS)
    evidence = [result.key, found, at_rest, digest_bytes(data)]
    if result.status == "hit" and not result.attempts and result.elements is None:
        # It was found whole in this run; only another one may stand there by now.
        same = _told(json.loads(data)["entry"]["outputs"]) == _told(result.outputs)
        return (evidence, replace(result, reason="", cutoff=False)) if same else None
    entry = parse_entry(data, result.key)
    if entry is None or _told(entry.outputs) != _told(result.outputs):
        return None
    hit = outcomes.hit(result.name, Decision(action="hit", key=result.key, entry=entry))
    return evidence, replace(hit, verdict=result.verdict)


def _told(outputs: Mapping[str, Any]) -> Json:
    return {
        name: [
            output[field] if isinstance(output, dict) else getattr(output, field)
            for field in ("logical", "blob", "size")
        ]
        for name, output in outputs.items()
    }


def leave(store: Store, words: Sequence[str], evidence: Json, answer: Json) -> None:
    """Write a receipt into the store, and remove the oldest of many. Raises `StoreUnusable`.

    It is a shortcut only, so it is not synced: a damaged one is no receipt.
    """
    folder = store.folder / FOLDER
    with store_errors(folder):
        folder.mkdir(exist_ok=True)
        write_whole(
            folder / file_name(words), to_bytes(evidence, answer), store.temporary, durable=False
        )
        written = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        for path in written[:-MOST]:
            path.unlink(missing_ok=True)
