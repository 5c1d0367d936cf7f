"""Answering a command line from its receipt, when the receipt still holds.

Guarantee: what is printed, logged and returned is what the full command would print, log and
return, under an id of its own; otherwise `answer` returns None, having printed and stored nothing.
The log of such a run is written whole but not synced: a power cut may lose the record of a run that
did nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import time

from dagrun.engine.gitstate import GitState
from dagrun.engine.history.runids import domain, new_run_id
from dagrun.engine.receipts import receipt
from dagrun.engine.store.sealing import closed
from dagrun.ui.closing import closing
from dagrun.ui.terminal import show, tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

STARTED = time.perf_counter()
COMMANDS = ("run", "plan")
_ENCODING = ("utf-8", "surrogatepass")


def answer(words: Sequence[str]) -> int | None:
    """Return the exit code of a command that has been answered, None for one that has not."""
    if not words or words[0] not in COMMANDS or os.environ.get(receipt.SWITCH) in ("0", "why"):
        return None
    try:
        found = _intact(words)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if found is None:
        return None
    if words[0] == "plan":
        show(found["text"])
        return 0
    return _answer_run(found)


def _intact(words: Sequence[str]) -> dict[str, Any] | None:
    path = receipt.find(words)
    document = receipt.read(path) if path else None
    if document is None or not receipt.holds(document["evidence"], receipt.surroundings(words)):
        return None
    found: dict[str, Any] = document["answer"]
    return found


def _answer_run(found: Mapping[str, Any]) -> int | None:
    git = GitState(found["root"])
    run_id, started = new_run_id(), time.time()
    commit, dirty = git.read()
    seconds = time.perf_counter() - STARTED
    head = {**found["header"], "run_id": run_id, "started": started}
    end = {"status": "done", "seconds": round(seconds, 6), "commit": commit, "dirty": dirty}
    path = f"{found['runs']}/{run_id}.jsonl"
    try:
        bodies = [_body(head), *found["log"], _body(end)]
        seal = domain(run_id)
        _write_log(path, b"".join(closed(seal, body.encode(*_ENCODING)) for body in bodies))
    except OSError:
        return None
    tell(found["lines"] + closing("done", seconds, found["tally"], run_id))
    if found["document"] is not None:
        fields = {"run_id": run_id, "pipeline": found["header"]["pipeline"], **end}
        fields["seconds"] = seconds
        order = ("run_id", "pipeline", "status", "seconds", "commit", "dirty")
        text = json.dumps({name: fields[name] for name in order}, indent=2, ensure_ascii=False)
        show(text.removesuffix("\n}") + found["document"])
    return 0


def _body(form: Mapping[str, Any]) -> str:
    """Return a canonical JSON object without its last brace, to be sealed."""
    text = json.dumps(form, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.removesuffix("}")


def _write_log(path: str, data: bytes) -> None:
    try:
        with open(path, "xb", buffering=0) as file:  # noqa: PTH123 (no pathlib here)
            file.write(data)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(path)  # noqa: PTH108
        raise
