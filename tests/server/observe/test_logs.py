"""Lines of the log, as a process that serves writes them."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import logging, sys, warnings
from dagrun.server.observe import logs
logs.configure(sys.argv[1])
log = logging.getLogger("dagrun.server.test")
log.debug("unheard")
log.warning("Predict %s", "NOT_FOUND", extra={"request_id": "a-1", "model": "fl\\nights"})
try:
    1 / 0
except ZeroDivisionError:
    log.exception("request %s failed", "a-2", extra={"request_id": "a-2"})
warnings.warn("careful")
logging.getLogger("uvicorn.error").info("unheard")
"""


def lines(form: str) -> list[str]:
    command = [sys.executable, "-c", PROGRAM, form]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()


def test_json_has_one_document_a_line_with_fields_beside_the_message() -> None:
    refused, failed, warned = map(json.loads, lines("json"))
    assert refused["event"] == "Predict NOT_FOUND"
    assert (refused["level"], refused["request_id"], refused["model"]) == (
        "warning",
        "a-1",
        "fl\nights",
    )
    assert refused["logger"] == "dagrun.server.test"
    assert refused["time"].endswith("Z")
    assert isinstance(refused["process"], int)
    assert failed["request_id"] == "a-2"
    assert failed["exception"].endswith("ZeroDivisionError: division by zero")
    assert "careful" in warned["event"]


def test_text_has_the_same() -> None:
    text = lines("text")
    assert "Predict NOT_FOUND" in text[0]
    assert "request_id=a-1" in text[0]
    assert r"model='fl\nights'" in text[0]
    assert any("ZeroDivisionError" in line for line in text)
    assert not any("unheard" in line for line in text)
