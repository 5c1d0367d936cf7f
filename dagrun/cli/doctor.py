"""`dagrun doctor`: examines a server that runs, and says what is wrong and what comes next."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from dagrun.server.client import ClientSettings, Tls
from dagrun.server.observe.examination import Called, examine, worst
from dagrun.server.observe.finding import Finding, State
from dagrun.server.observe.reaching import split
from dagrun.ui.terminal import Role, paint, show

WRONG = 1
_WORDS: dict[State, tuple[str, Role | None]] = {
    "good": ("ok", "good"),
    "note": ("note", "warn"),
    "bad": ("WRONG", "bad"),
}


def doctor(
    *,
    target: str,
    http: str | None,
    tls: bool,
    tls_roots: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    token_file: str | None,
    timeout: float,
    as_json: bool,
) -> int:
    """Examine; return 1 when something is wrong. Raises `DagrunError` for unreadable files."""
    roots, certificate, key = (
        Path(path) if path else None for path in (tls_roots, tls_cert, tls_key)
    )
    settings = ClientSettings(
        timeout=timeout,
        tls=Tls(roots=roots, certificate=certificate, key=key)
        if tls or roots or certificate or key
        else None,
        token_file=Path(token_file) if token_file else None,
    )
    host, port = split(target, 8500)
    named = f"[{host}]" if ":" in host else host
    called = Called(settings=settings, http=http or f"{named}:{port + 1}", roots=roots)
    found: list[Finding] = []
    for finding in examine(f"{named}:{port}", called):
        found.append(finding)
        if not as_json:
            _show(finding)
    wrong = worst(found)
    if as_json:
        show(json.dumps({"target": target, "wrong": wrong, "findings": [asdict(f) for f in found]}))
    elif not wrong:
        show("nothing is wrong")
    return WRONG if wrong else 0


def _show(finding: Finding) -> None:
    word, role = _WORDS[finding.state]
    show(f"{paint(f'{word:<5}', role)}  {finding.check:<10}  {finding.text}")
    if finding.next:
        show(f"{'':19}next: {finding.next}")
