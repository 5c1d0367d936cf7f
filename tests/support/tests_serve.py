"""`dagrun serve` as tests use it: the real program, with its real worker processes."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from tests_cli import DAGRUN

SECONDS = 60


class Serving(AbstractContextManager["Serving"]):
    """A server from its start to its end; what it says is kept, line by line."""

    def __init__(self, folder: Path, *arguments: str, command: tuple[str, ...] = ()) -> None:
        self.process = subprocess.Popen(
            [*(command or (DAGRUN, "serve")), *arguments],
            cwd=folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._more = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        try:
            self.wait_for(r"\d+ worker process")
            self.address = self.wait_for(r"gRPC on (\S+:\d+)")[1]
        except BaseException:
            self.end(signal.SIGKILL)
            raise

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            with self._more:
                self.lines.append(line.rstrip("\n"))
                self._more.notify_all()
        with self._more:
            self._ended = True
            self._more.notify_all()

    def wait_for(self, pattern: str, times: int = 1, seconds: float = SECONDS) -> re.Match[str]:
        """Return the match of the first line with it, once there are so many."""

        def found() -> list[re.Match[str]]:
            return [match for line in self.lines if (match := re.search(pattern, line))]

        with self._more:
            self._more.wait_for(lambda: len(found()) >= times or self._ended, seconds)
            assert len(found()) >= times, f"no {pattern!r} in {self.lines}"
            return found()[0]

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        pid = self.process.pid
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        assert self.process.stderr
        self.process.stderr.close()
        return code

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end()
        else:
            self.end(0)


def callers_of(pid: int, port: int) -> set[int]:
    """Return the other end's port of each connection that a process has accepted on a port."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes.update(re.findall(r"socket:\[(\d+)\]", str(entry.readlink())))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "01" and words[1].endswith(f":{port:04X}") and words[9] in inodes:
                found.add(int(words[2].rpartition(":")[2], 16))
    return found


def resident(pid: int) -> int:
    """Return how much memory a process has at the moment, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
