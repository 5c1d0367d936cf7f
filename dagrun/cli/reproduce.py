"""`dagrun reproduce`: a bundle made again from its lineage, and whether it is the same."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dagrun.cli.documents import show_document
from dagrun.cli.models import DIFFERENT, find_source, open_registry
from dagrun.cli.opening import find_home, use_project
from dagrun.engine.checks.recorded import LineageLost
from dagrun.engine.checks.reproduce import Reproduction, reproduced
from dagrun.engine.errors import DagrunError
from dagrun.engine.explaining.documentdiff import describe_documents
from dagrun.engine.store.durable import write_whole
from dagrun.stages.bundle import Bundle, read_bundle
from dagrun.stages.bundle.archive import unpack
from dagrun.ui.progress import Progress
from dagrun.ui.reproduction import reproduction_lines, verdict_line
from dagrun.ui.terminal import show, tell

_MOST = 12


class NotOfARun(DagrunError):
    """A bundle was not made by a stage, so there is nothing to run again."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name} does not name the stage that made it: it was made outside of a run, by a "
            "script or by `dagrun bundle refresh`, which tells where its tables came from"
        )


def reproduce(
    *, name: str, output: str | None, jobs: int | None, pipeline: str | None, as_json: bool
) -> int:
    """Make a bundle again; return 0 if its digest is the same.

    Raises `NotOfARun`, `LineageLost` or `SceneUnusable`.
    """
    use_project(pipeline)
    called, bundle = _open(name, pipeline)
    if not bundle.lineage.key:
        raise NotOfARun(called)
    store = open_registry(pipeline).store
    entry = store.entries.read(bundle.lineage.key)
    made = entry.outputs if entry else {}
    outputs = [item for item, output in made.items() if output.logical == bundle.digest]
    if not outputs:
        raise LineageLost(called, [f"the entry {bundle.lineage.key[:12]} that made it"])
    with (
        Progress([]) as progress,
        reproduced(
            find_home(pipeline),
            store,
            bundle.lineage.key,
            outputs[0],
            emit=progress,
            jobs=jobs,
            above=progress.above,
        ) as found,
    ):
        again = None if found.made is None else found.scratch.load(found.made)
        if output is not None and again is not None:
            write_whole(Path(output), again.to_bytes(), Path(output).parent)
    unlike = "" if again is None or found.identical else _compare(bundle, again)
    if as_json:
        show_document(_document(called, bundle, again, found, unlike))
    else:
        tell()
        for line in reproduction_lines(found):
            show(line)
        show(verdict_line(called, bundle, again, unlike))
    return 0 if found.identical else DIFFERENT


def _open(name: str, pipeline: str | None) -> tuple[str, Bundle]:
    source = find_source(name)
    if isinstance(source, Path):
        return str(source), read_bundle(source)
    registry = open_registry(pipeline)
    version = registry.resolve(source)
    return str(version), registry.load(version)


def _compare(before: Bundle, after: Bundle) -> str:
    """Say where the manifests of two bundles differ: members by digest, figures by value."""
    old, new = (json.loads(unpack(each.to_bytes())["manifest.json"]) for each in (before, after))
    return describe_documents(old, new, _MOST)


def _document(
    called: str, bundle: Bundle, again: Bundle | None, found: Reproduction, unlike: str
) -> dict[str, Any]:
    return {
        "bundle": called,
        "identical": found.identical,
        "digest": bundle.digest,
        "rebuilt": again.digest if again else None,
        "same_file": again is not None and again.to_bytes() == bundle.to_bytes(),
        "unlike": unlike or None,
        "run": found.run.run_id if found.run else None,
        "code_from": found.code_from,
        "seconds": found.seconds,
        "stages": [json.loads(json.dumps(asdict(stage))) for stage in found.stages],
    }
