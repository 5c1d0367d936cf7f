"""No call of a client fails while its server drains, restarts, is killed or swaps its model."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests_calls import Callers

from dagrun.server.serving import Models, ServedModel, Server, ServerSettings
from dagrun.stages.bundle import Bundle

Row = Callable[..., dict[str, object]]

SERVE = """
import sys
from pathlib import Path
from dagrun.server.serving import ServerSettings
from dagrun.server.supervisor import FleetSettings, serve

serve(
    [Path(sys.argv[1])],
    FleetSettings(server=ServerSettings(port=int(sys.argv[2])), workers=1),
    report=lambda line: None,
    on_ready=lambda running: print(running.address, flush=True),
)
"""


@contextmanager
def serving(bundle: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """Run a server until the block ends, however it ends."""
    command = [sys.executable, "-P", "-c", SERVE, str(bundle), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip().endswith(f":{port}")
            yield process
        finally:
            process.kill()


@pytest.fixture
def port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        number: int = bound.getsockname()[1]
        return number


def test_restarts_and_crashes_are_waited_for(
    tmp_path: Path, bundle: Bundle, make_row: Row, port: int
) -> None:
    path = tmp_path / "flights.bundle"
    path.write_bytes(bundle.to_bytes())
    with Callers(f"127.0.0.1:{port}", make_row()) as callers:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with serving(path, port) as process:
                callers.more()
                process.send_signal(number)
                process.wait(30)
        with serving(path, port):
            callers.more()
            callers.stop()
    assert {answer.bundle_digest for answer in callers.answers} == {bundle.digest}


def test_swaps_and_the_loss_of_one_of_two_servers_go_unnoticed(
    bundle: Bundle, make_row: Row
) -> None:
    other = replace(bundle, threshold=0.7)
    first, second = ServedModel("flights", bundle), ServedModel("flights", other)
    with (
        Server(Models([first]), ServerSettings(port=0)) as kept,
        Server(Models([first]), ServerSettings(port=0)) as lost,
        Callers(f"{kept.address},{lost.address}", make_row(), timeout=20) as callers,
    ):
        for turn in range(20):
            for server in (kept, lost):
                server.models.replace([(second, first)[turn % 2]])
            callers.more(10)
        lost.stop()
        callers.more()
    thresholds = {bundle.digest: 0.4, other.digest: 0.7}
    assert {(a.bundle_digest, a.threshold) for a in callers.answers} == set(thresholds.items())
