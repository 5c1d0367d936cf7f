"""A running contender, which gets its core to itself: it is frozen while others are measured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MODULES = {"dagrun": "dagrun_peer", "rest": "rest_peer", "in": "in_process"}
_ENDS_IN = 20.0


class Peer:
    """A process and those it started.

    Attributes:
        name: the contender's name.
        address: where it listens.
        process_id: of the process that was started.
    """

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name, self._process, self.process_id = name, process, process.pid
        self.address = ("127.0.0.1", int(self._line()))

    def answered(self) -> float:
        """Return how many requests the server says it has answered well."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._line())

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Let it run, and freeze it again: what it does in the background is its own time's."""
        self.wake()
        try:
            yield
        finally:
            self.freeze()

    def freeze(self) -> None:
        os.killpg(self.process_id, signal.SIGSTOP)

    def wake(self) -> None:
        os.killpg(self.process_id, signal.SIGCONT)

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"error: the contender {self.name} ended; see its message above")
        return line


@contextmanager
def running(
    name: str, core: int, folder: Path, python: Path = Path(sys.executable)
) -> Iterator[Peer]:
    """Run a contender on a core (-1: on all), with the given Python, and freeze it."""
    kind = name.partition("-")[0]
    module = "mlserver_peer" if kind == "mlserver" else _MODULES.get(kind, "grpc_peer")
    command = [str(python), "-m", f"serving_peers.{module}", name, str(core), str(folder)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    # XGBoost and Polars would else start a thread for each core of the machine.
    environment |= {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    with subprocess.Popen(
        command,
        cwd=Path(__file__).parents[1],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as process:
        assert process.stdin is not None
        try:
            peer = Peer(name, process)
            peer.freeze()
            yield peer
        finally:
            os.killpg(process.pid, signal.SIGCONT)
            process.stdin.close()
            try:
                process.wait(_ENDS_IN)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
