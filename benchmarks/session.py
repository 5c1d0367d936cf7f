"""One benchmark's session: the machine it ran on, every raw figure, and ratios with their spread.

Contenders take turns within each round, so that a machine that slows down slows all of them; a
ratio is formed round by round and reported as minimum, median and maximum. Absolute figures are
printed and kept, but only ratios are worth comparing between machines and days.

A full session is written to benchmarks/results/NAME.json; a quick one, whose sizes differ, to
build/bench/results/NAME.json. The last line printed is the same ratios as one JSON document.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[1]
FORMAT_VERSION = 1
Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A ratio of two contenders over the rounds; `better` says which direction is good."""

    median: float
    min: float
    max: float
    rounds: int
    better: Better = "higher"


def machine(packages: Sequence[str]) -> dict[str, Any]:
    """Describe the machine and the versions that the figures depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    )
    return {
        "cpu": models[0] if models else platform.processor(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
        "load": round(os.getloadavg()[0], 2),
        "platform": " ".join((platform.system(), platform.machine(), *platform.libc_ver())),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "commit": commit.stdout.strip() or None,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def seconds(action: Callable[[], object]) -> float:
    """Return how long a call took, by the wall clock."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


class Session:
    """Collects the figures of one benchmark; `finish` prints and writes them."""

    def __init__(self, name: str, *, quick: bool, packages: Sequence[str] = ("dagrun",)) -> None:
        self.name, self.quick = name, quick
        self.machine = machine(packages)
        self.figures: dict[str, dict[str, Any]] = {}
        self.ratios: dict[str, Ratio] = {}
        print(f"{name}{' (quick)' if quick else ''}: {json.dumps(self.machine)}", flush=True)

    def record(self, figure: str, values: Sequence[float], unit: str) -> None:
        """Keep the raw values of one contender, one value a round; print summary and values."""
        self.figures[figure] = {"unit": unit, "values": list(values)}
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"  {figure:<44} {middle:>12,.4g} {unit:<10} {low:,.4g} .. {high:,.4g}")
        print(f"    runs: {'  '.join(f'{value:,.4g}' for value in values)}", flush=True)

    def rounds(
        self, contenders: Mapping[str, Callable[[], Mapping[str, float]]], *, count: int, unit: str
    ) -> None:
        """Let every contender run once a round, each round beginning with another one.

        A contender returns `{measure: value}`; its figures are named `contender measure`.
        """
        names = list(contenders)
        values: dict[str, list[float]] = {}
        for turn in range(count):
            shift = turn % len(names)
            for name in names[shift:] + names[:shift]:
                for measure, value in contenders[name]().items():
                    values.setdefault(f"{name} {measure}", []).append(value)
        for figure in sorted(values, key=lambda figure: names.index(figure.split(" ")[0])):
            self.record(figure, values[figure], unit)

    def ratio(self, name: str, over: str, under: str, *, better: Better = "higher") -> Ratio:
        """Divide figure `over` by figure `under`, round by round."""
        pairs = zip(self.figures[over]["values"], self.figures[under]["values"], strict=True)
        values = [top / bottom for top, bottom in pairs]
        self.ratios[name] = Ratio(
            median=statistics.median(values),
            min=min(values),
            max=max(values),
            rounds=len(values),
            better=better,
        )
        return self.ratios[name]

    def finish(self) -> Path:
        """Print the ratios, write the session's file, and print the closing JSON line."""
        for name, ratio in self.ratios.items():
            spread = f"{ratio.min:,.3g} .. {ratio.max:,.3g}"
            print(f"  {name:<44} {ratio.median:>12,.3g} times      {spread}  ({ratio.better})")
        ratios = {name: asdict(ratio) for name, ratio in self.ratios.items()}
        document = {
            "format": FORMAT_VERSION,
            "bench": self.name,
            "quick": self.quick,
            "machine": self.machine,
            "figures": self.figures,
            "ratios": ratios,
        }
        folder = ROOT / ("build/bench/results" if self.quick else "benchmarks/results")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", "utf-8")
        fresh.replace(path)
        print(json.dumps({"bench": self.name, "ratios": ratios}, sort_keys=True), flush=True)
        return path


def is_quick() -> bool:
    """Whether the command line asked for the small sizes. Any other argument is an error."""
    unknown = [argument for argument in sys.argv[1:] if argument != "--quick"]
    if unknown:
        sys.exit(f"error: unknown argument {unknown[0]!r}. The only one known is --quick")
    return "--quick" in sys.argv[1:]
