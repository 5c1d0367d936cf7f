"""`dagrun card` and `dagrun profile`: what is known of a model and of a table, as one page each."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from dagrun.cli.models import find_source, open_registry
from dagrun.cli.scored import FolderMissing, Unreadable
from dagrun.cli.tabling import open_table
from dagrun.engine.codec import DOCUMENT_CODEC
from dagrun.engine.documents import from_form
from dagrun.engine.errors import DagrunError
from dagrun.engine.explaining.artifacts import Artifacts
from dagrun.engine.stage import Verdict
from dagrun.engine.store.durable import write_whole
from dagrun.engine.workspace import Workspace
from dagrun.stages.bundle import Bundle, ModelVersion
from dagrun.stages.bundle.carried import read_exported
from dagrun.stages.evaluate import RegressionReport, Report
from dagrun.stages.pages import model_card, profile_page
from dagrun.stages.validate import Contract, check_table
from dagrun.ui.quantities import counted, size
from dagrun.ui.terminal import show


def card(*, name: str, out: str, about: str | None, pipeline: str | None) -> int:
    """Write the card of a model. Raises `NotRegistered`, `NoSuchFile` or `BundleDamaged`."""
    text = "" if about is None else _text(Path(about))
    source = find_source(name)
    version: ModelVersion | None = None
    verdict: Verdict | None = None
    report: Report | RegressionReport | None = None
    if isinstance(source, Path):
        bundle, carried = read_exported(source)
        verdict = from_form(carried[0], Verdict) if carried else None
    else:
        registry = open_registry(pipeline)
        version = registry.resolve(source)
        bundle, said = registry.load(version), registry.verdict(version)
        verdict = said.verdict if said else None
        report = _report(bundle, Workspace.open(pipeline))
    page = model_card(bundle, version=version, verdict=verdict, report=report, about=text)
    return _write(Path(out), page, f"the card of {version or source}")


def profile(*, table: str, out: str, contract: str | None, pipeline: str | None) -> int:
    """Write the profile of a table. Raises `NoTable`, or as a contract's check does."""
    label, frame = open_table(table, pipeline)
    findings = None
    if contract is not None:
        now = dt.datetime.now(dt.UTC)
        findings = check_table(frame, Contract.read(contract), table=label, now=now).findings.all
    page = profile_page(frame, title=label, findings=findings)
    found = "" if findings is None else f", {counted(len(findings), 'finding')}"
    return _write(Path(out), page, f"the profile of {label}{found}")


def _report(bundle: Bundle, workspace: Workspace) -> Report | RegressionReport | None:
    """Return the report that a bundle was made with, if the store still has it."""
    artifacts = Artifacts(workspace)
    for digest in bundle.lineage.inputs.values():
        try:
            output = artifacts.find(digest).output
        except DagrunError:  # gone, or of another store
            continue
        if output.codec == DOCUMENT_CODEC:
            value = workspace.store.load(output)
            if isinstance(value, Report | RegressionReport):
                return value
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(path, error) from error


def _write(path: Path, page: str, what: str) -> int:
    if not path.parent.is_dir():
        raise FolderMissing(path)
    data = page.encode()
    write_whole(path, data, path.parent)
    show(f"{path}: {what}, {size(len(data))}")
    return 0
