"""`dagrun du`: what takes up the store's space."""

from __future__ import annotations

from dataclasses import asdict

from dagrun.cli.documents import show_document
from dagrun.cli.opening import open_store
from dagrun.engine.upkeep.usage import usage
from dagrun.ui.storage import usage_lines
from dagrun.ui.terminal import show


def du(*, pipeline: str | None, as_json: bool) -> int:
    """Measure the store. Raises `NoStore` or `StoreError`."""
    found = usage(open_store(pipeline))
    if as_json:
        show_document(asdict(found))
        return 0
    for line in usage_lines(found):
        show(line)
    return 0
