"""From raw tables to a served model, and the proof that both ends compute the same bits.

Every line after a `$` is what one would type. What is compared: 10,000 flights that the model has
never seen, their features and predictions from the server against those computed offline, as
integers. Exit code 1 if a single bit differs. The server is stopped whatever happens. Started
again, the demo finds every stage in the store.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
import polars as pl

from dagrun import Client
from dagrun.engine.workspace import Workspace
from dagrun.server.client import RequestInvalid
from dagrun.stages.bundle import Bundle, Registry, score

FOLDER = Path(__file__).parent
DAGRUN = str(Path(sys.executable).with_name("dagrun"))
ROWS, BATCH = 10_000, 500
START_SECONDS, STOP_SECONDS = 60.0, 20.0
BOLD, PLAIN = (
    ("\033[1m", "\033[0m") if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ("", "")
)

Bits = npt.NDArray[np.uint32]


def main() -> int:
    """Show the whole way; return the exit code."""
    heading("The pipeline")
    dagrun("graph")
    heading("Run it: only what the store does not hold yet")
    dagrun("run")
    heading("What the gate says")
    dagrun("show", "verdict")
    heading("Serve the champion")
    bundle, held_out = load()
    with Server("flights@champion", "--port", "0") as server:
        heading(f"Ask it about {ROWS:,} flights of October to December")
        with Client(server.address, timeout=60.0) as client:
            differing = compare(client, bundle, held_out)
            show_refusal(client, held_out)
        heading("Stop it")
    print(f"\nparity: rows compared: {held_out.height:,}, bits differing: {differing:,}")
    return 1 if differing or held_out.height != ROWS else 0


def heading(text: str) -> None:
    """Print a heading."""
    print(f"\n{BOLD}{text}{PLAIN}", flush=True)


def show_command(*arguments: str) -> list[str]:
    """Print a command as one would type it; return the one to start."""
    print("$ dagrun", *arguments, flush=True)
    return [DAGRUN, *arguments]


def dagrun(*arguments: str) -> None:
    """Run one command of dagrun and let it talk; leave with its exit code if it fails."""
    command = show_command(*arguments)
    code = subprocess.run(command, cwd=FOLDER, stderr=sys.stdout, check=False).returncode
    if code:
        sys.exit(code)


def load() -> tuple[Bundle, pl.DataFrame]:
    """Return the champion, and every eighth of the flights it was judged on."""
    workspace = Workspace.open(folder=FOLDER)
    registry = Registry(workspace.store)
    bundle = registry.load(registry.resolve("flights@champion"))
    split = workspace.runs.last_entry("split")
    assert split is not None, "the run above made it"
    test = workspace.store.load(split.outputs["test"], pl.DataFrame)
    columns = [column.name for column in bundle.spec.inputs]
    return bundle, test.select(columns).gather_every(8).head(ROWS)


def compare(client: Client, bundle: Bundle, held_out: pl.DataFrame) -> int:
    """Return how many bits differ between what the server and the offline path compute."""
    offline = score(bundle, held_out)
    features = bundle.spec.transform(held_out).select(bundle.spec.names)
    rows, started = held_out.to_dicts(), time.perf_counter()
    answers = [
        answer
        for start in range(0, len(rows), BATCH)
        for answer in client.predict("flights", rows[start : start + BATCH], features=True)
    ]
    by_row, started = time.perf_counter() - started, time.perf_counter()
    table = client.predict_table("flights", held_out)
    by_table = time.perf_counter() - started
    pairs = {
        "Predict, features": (bits([answer.features for answer in answers]), bits(features)),
        "Predict, margins": (
            bits([answer.margin for answer in answers]),
            bits(offline["margin"]),
        ),
        "Predict, probabilities": (
            bits([answer.probability for answer in answers]),
            bits(offline["probability"]),
        ),
        "PredictTable, margins": (bits(table["margin"]), bits(offline["margin"])),
        "PredictTable, probabilities": (bits(table["probability"]), bits(offline["probability"])),
    }
    print(f"Predict       {len(rows):,} rows in {by_row:.2f} s, feature vectors included")
    print(f"PredictTable  {len(rows):,} rows in {by_table:.2f} s")
    differing = 0
    for name, (served, computed) in pairs.items():
        found = count_differing(served, computed)
        print(f"{name:28} {served.size:>9,} numbers compared, {found:,} bits differ")
        differing += found
    return differing


def bits(values: object) -> Bits:
    """Return float32 values as the integers that their bits spell; null is NaN."""
    frame = values.to_numpy() if isinstance(values, pl.DataFrame | pl.Series) else values
    return np.ascontiguousarray(frame, np.float32).view(np.uint32)


def count_differing(left: Bits, right: Bits) -> int:
    """Return the number of differing bits. Raises `ValueError` when the shapes differ."""
    if left.shape != right.shape:
        raise ValueError(f"{left.shape} values were served, {right.shape} computed")
    return int(np.bitwise_count(left ^ right).sum())


def show_refusal(client: Client, held_out: pl.DataFrame) -> None:
    """Send one row that makes no sense, and print what the server says about it."""
    row = {**held_out.row(0, named=True), "distance": "far"}
    try:
        client.predict("flights", [row])
    except RequestInvalid as error:
        print(f"\na distance of 'far' is refused: {error}")


class Server:
    """`dagrun serve` in a process of its own, from ready to gone, inside a `with` block."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            show_command("serve", *arguments),
            cwd=FOLDER,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._ready = threading.Event()
        self.address = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        """Pass on what the server says, and learn its address from it."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            print(line, end="", flush=True)
            if found := re.search(r"gRPC on (\S+:\d+)", line):
                self.address = found[1]
                self._ready.set()
        self._ready.set()

    def __enter__(self) -> Server:
        try:
            self._ready.wait(START_SECONDS)
            if not self.address:
                raise SystemExit("the server did not become ready")
            with Client(self.address) as client:
                while not client.healthy("flights"):
                    if self._process.poll() is not None:
                        raise SystemExit("the server ended before it was ready")
                    time.sleep(0.05)
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._process.send_signal(signal.SIGTERM)
            code = self._process.wait(STOP_SECONDS)
        finally:
            self._kill()
        if code and error is None:
            raise SystemExit(f"the server ended with code {code}")

    def _kill(self) -> None:
        """Make sure that nothing is left behind."""
        self._process.kill()
        self._process.wait()
        self._reader.join()


if __name__ == "__main__":
    sys.exit(main())
