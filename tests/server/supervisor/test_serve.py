"""One server of several processes: start, swap, death, end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from tests_cli import DAGRUN
from tests_serve import Serving, callers_of

from dagrun.server.client import Client, ClientSettings, ServerUnreachable
from dagrun.stages.bundle import Bundle, Registry

Serve = Callable[..., Serving]
Row = Callable[..., dict[str, object]]


def test_the_start_tells_what_is_served_and_by_whom(serve: Serve, bundle: Bundle) -> None:
    serving = serve("flights@champion", "flights@3")
    rows = bundle.golden.rows.height
    proof = f"golden rows: {rows} of {rows} bit-identical (features, margins, probabilities)"
    assert [line[:6] for line in serving.lines[::2][:2]] == ["bundle", "bundle"]
    assert serving.lines[1] == serving.lines[3] == proof
    assert (
        serving.lines[4]
        == f"gRPC on {serving.address} (dagrun.v1, Open Inference Protocol V2, health, reflection)"
    )
    layout = r"2 worker processes x 8 threads, 1 thread per prediction \(\w+: \d+ CPUs?\)"
    assert re.fullmatch(layout, serving.lines[5])
    assert len(serving.workers()) == 2
    with Client(serving.address) as client:
        assert {model.name: model.version for model in client.models()} == {
            "flights": 1,
            "flights@3": 3,
        }


def test_a_moved_alias_is_served_by_all_and_fails_no_call(
    serve: Serve, registry: Registry, callers: Callable[..., object]
) -> None:
    serving = serve("flights")
    asking = callers(serving)
    asking.more(20)
    for turn, version in enumerate((2, 3, 1, 2)):
        registry.set_alias("flights", "champion", version, reason="swap")
        serving.wait_for(r"flights: @\d -> @\d on all workers in", turn + 1)
        before = [len(versions) for versions in asking.versions]
        asking.more(20)
        for versions, old in zip(asking.versions, before, strict=True):
            # The call under way at that moment may still have had the version before.
            assert set(versions[old + 1 :]) == {version}
    registry.rollback("flights", reason="back")
    serving.wait_for(r"flights: @2 -> @1 on all workers")
    asking.stop()
    assert asking.failures == [[], [], [], []]
    assert serving.end() == 0
    assert f"stopped: {asking.answered} calls answered with scores" in serving.lines


def test_a_killed_worker_takes_only_its_own_connections_along(
    serve: Serve, callers: Callable[..., object]
) -> None:
    serving = serve("flights")
    asking = callers(serving, many=8)
    asking.more(20)
    port = int(serving.address.rpartition(":")[2])
    victim, other = sorted(serving.workers(), key=lambda pid: len(callers_of(pid, port)))
    held = len(callers_of(other, port))
    os.kill(other, signal.SIGKILL)
    serving.wait_for(rf"\(process {other}\) died of SIGKILL; another one starts")
    asking.more(20)
    assert 1 <= sum(bool(failures) for failures in asking.failures) <= held
    serving.wait_for(r"worker \d \(process \d+\) serves now")
    assert victim in serving.workers()
    assert other not in serving.workers()
    assert len(serving.workers()) == 2
    asking.more(20)


def test_a_bundle_that_fails_its_proof_changes_nothing(
    serve: Serve, registry: Registry, callers: Callable[..., object], rewritten: Bundle
) -> None:
    serving = serve("flights", "flights@3")
    asking = callers(serving)
    worse = registry.register("flights", rewritten, reason="with bad intent")
    registry.set_alias("flights", "champion", worse.version, reason="a mistake")
    serving.wait_for(r"flights: @4 is refused, @1 is served on: \d values of \d+ golden rows")
    serving.wait_for(r"golden row 3, margin")
    asking.more(20)
    # It stands in the way of nothing else.
    registry.set_alias("flights", "champion", 2, reason="mended")
    serving.wait_for(r"flights: @1 -> @2 on all workers")
    asking.more(20)
    asking.stop()
    assert asking.failures == [[], [], [], []]
    assert {version for versions in asking.versions for version in versions} == {1, 2}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_server_once_its_work_is_done(
    serve: Serve, make_row: Row, number: int
) -> None:
    serving = serve("flights")

    def ask() -> int:
        """Ask until the server is gone: what it took it answered, the rest it refused."""
        counted = 0
        # Nothing comes after this server: to wait for it would be in vain.
        gone = ClientSettings(timeout=20, patience=0)
        with Client(serving.address, gone) as client, suppress(ServerUnreachable):
            while True:
                client.predict("flights", [make_row()])
                counted += 1
        return counted

    with ThreadPoolExecutor(3) as callers:
        futures = [callers.submit(ask) for _ in range(3)]
        with Client(serving.address) as client:
            for _ in range(20):
                client.predict("flights", [make_row()])
        assert serving.end(number) == 0
        counted = sum(future.result() for future in futures) + 20
    end = serving.lines.index("stopping: finishing what is in flight")
    assert serving.lines[end + 1] == f"stopped: {counted} calls answered with scores"


def test_a_port_that_workers_share_is_taken_nevertheless(serve: Serve, tmp_path: Path) -> None:
    serving = serve("flights")
    port = serving.address.rpartition(":")[2]
    command = [DAGRUN, "serve", "flights", "--port", port]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"error: cannot listen on {serving.address}: Address already in use" in done.stderr


def test_workers_do_not_outlive_their_supervisor(serve: Serve) -> None:
    serving = serve("flights")
    port = int(serving.address.rpartition(":")[2])
    serving.end(signal.SIGKILL)  # its standard error, which they share, has ended: so have they
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))


def test_what_cannot_be_served_is_said_before_anything_listens(
    registry: Registry, tmp_path: Path, rewritten: Bundle
) -> None:
    (tmp_path / "bad.bundle").write_bytes(rewritten.to_bytes())

    def refused(*arguments: str) -> tuple[int, str]:
        command = [DAGRUN, "serve", *arguments, "--port", "0"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert "gRPC on" not in done.stderr
        return done.returncode, done.stderr

    code, told = refused("flights", "bad.bundle")
    assert code == 5
    assert "golden row 3, margin" in told
    code, told = refused("flights", "flights@champion")
    assert (code, "flights is named twice" in told) == (2, True)
    code, told = refused("flight")
    assert (code, "Did you mean 'flights'?" in told) == (2, True)
    code, told = refused("flights@challenger")
    assert (code, "There is: champion" in told) == (2, True)
