"""1,002 trivial stages: run first, again with nothing to do, and after a comment; whole processes.

The graph: one source, ten layers of 100 stages with two inputs each, one sink over the last layer.
dagrun (content store, code identity), Hamilton with its cache, and doit (files and time stamps, no
content store) compute the same number, each in a scratch environment of its own with pinned
versions. Every run is a new process, started by the command that people type. The source counts
its calls, so that a second run which did any work is an error and not a figure.

A comment makes dagrun plan in full and find nothing to do; beside it stands what importing
networkx, Polars and click alone takes. At full size the same shape is run with 10,002 stages, too,
whose peak memory is told.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from environments import PEERS, prepare
from session import ROOT, Session, is_quick, seconds

LAYERS, WIDTH, TENFOLD = 10, 100, 1000
MODULUS = 1_000_003
SCRATCH = ROOT / "build" / "bench" / "engine"
COMMANDS = {
    "dagrun": ["dagrun", "run", "pipeline.py"],
    "doit": ["doit"],
    "hamilton": ["python", "run.py"],
}

SOURCE = """
def source() -> int:
    with open("calls", "a") as calls:
        calls.write("x")
    return 1
"""
STAGE = """
def {name}({first}: int, {second}: int) -> int:
    return ({first} + 2 * {second} + {index}) % {modulus}
"""
SINK = """
def sink({parameters}) -> int:
    result = sum(({total})) % {modulus}
    with open("result", "w") as file:
        file.write(str(result))
    return result
"""
HAMILTON = """
import pipeline
from hamilton import driver

built = driver.Builder().with_modules(pipeline).with_cache(path="cache").build()
print(built.execute(["sink"])["sink"])
"""
DODO = f"""
from pathlib import Path

def source():
    with open("calls", "a") as calls:
        calls.write("x")
    Path("source").write_text("1")

def add(first, second, index, name):
    total = int(Path(first).read_text()) + 2 * int(Path(second).read_text()) + index
    Path(name).write_text(str(total % {MODULUS}))

def sink(inputs):
    total = sum(int(Path(name).read_text()) for name in inputs)
    Path("result").write_text(str(total % {MODULUS}))

def task_source():
    return {{"actions": [source], "targets": ["source"], "uptodate": [True]}}

def task_stages():
    for layer in range({LAYERS}):
        for index in range({WIDTH}):
            name = f"s{{layer}}_{{index}}"
            after = (index + 1) % {WIDTH}
            first, second = ("source",) * 2
            if layer:
                first, second = f"s{{layer - 1}}_{{index}}", f"s{{layer - 1}}_{{after}}"
            yield {{
                "name": name,
                "actions": [(add, [first, second, index, name])],
                "file_dep": [first, second],
                "targets": [name],
            }}

def task_sink():
    inputs = [f"s{LAYERS - 1}_{{index}}" for index in range({WIDTH})]
    return {{"actions": [(sink, [inputs])], "file_dep": inputs, "targets": ["result"]}}
"""


def inputs_of(layer: int, index: int, width: int) -> tuple[str, str]:
    """Return the names of a stage's two inputs; the first layer has the source twice."""
    if layer == 0:
        return "source", "source"
    return f"s{layer - 1}_{index}", f"s{layer - 1}_{(index + 1) % width}"


def functions(decorator: str, width: int = WIDTH) -> str:
    """Write the graph as one function a stage."""
    parts = [decorator, SOURCE.lstrip()]
    for layer in range(LAYERS):
        for index in range(width):
            first, second = inputs_of(layer, index, width)
            text = STAGE.format(
                name=f"s{layer}_{index}", first=first, second=second, index=index, modulus=MODULUS
            )
            text = text.replace("source: int, source: int", "source: int")
            parts += [decorator, text.lstrip()]
    last = [f"s{LAYERS - 1}_{index}" for index in range(width)]
    sink = SINK.format(
        parameters=", ".join(f"{name}: int" for name in last),
        total=", ".join(last),
        modulus=MODULUS,
    )
    return "\n".join([*parts, decorator, sink.lstrip()])


def expected(width: int) -> int:
    """Compute the sink's value in plain Python."""
    values = {"source": 1}
    for layer in range(LAYERS):
        for index in range(width):
            first, second = inputs_of(layer, index, width)
            values[f"s{layer}_{index}"] = (values[first] + 2 * values[second] + index) % MODULUS
    return sum(values[f"s{LAYERS - 1}_{index}"] for index in range(width)) % MODULUS


FILES: Mapping[str, Mapping[str, str]] = {
    "dagrun": {
        "pyproject.toml": "",  # the project, and so the store, is this folder
        "pipeline.py": "from dagrun import stage\n\n\n" + functions("@stage", WIDTH),
    },
    "doit": {"dodo.py": DODO.lstrip()},
    "hamilton": {"pipeline.py": functions(""), "run.py": HAMILTON.lstrip()},
}


ENVIRONMENT = {name: value for name, value in os.environ.items() if "PYTHON" not in name}


@dataclass
class Folder:
    """A peer's scratch folder; every run in it is a process of its own, whose result is checked."""

    peer: str
    width: int = WIDTH

    def __post_init__(self) -> None:
        self.path = SCRATCH / (self.peer if self.width == WIDTH else f"{self.peer}-{self.width}")
        program, *arguments = COMMANDS[self.peer]
        self.command = [str(PEERS / self.peer / "bin" / program), *arguments]
        self.right = str(expected(self.width))
        self.peak = 0

    def fresh(self) -> None:
        """Empty the folder and write the peer's pipeline."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        for name, text in FILES[self.peer].items():
            (self.path / name).write_text(text, "utf-8")
        if self.width != WIDTH:
            (self.path / "pipeline.py").write_text(pipeline(self.width), "utf-8")

    def run(self) -> None:
        """Run the peer, and keep the most bytes that any run has held in memory."""
        with (self.path / "output").open("w+", encoding="utf-8") as output:
            process = subprocess.Popen(
                self.command, cwd=self.path, env=ENVIRONMENT, stdout=output, stderr=output
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.peak = max(self.peak, usage.ru_maxrss * 1024)
            output.seek(0)
            result = self.path / "result"
            if process.returncode or not result.exists() or result.read_text() != self.right:
                sys.exit(f"error: {self.peer} gave a wrong result\n{output.read()[-4000:]}")
        calls = len((self.path / "calls").read_text("utf-8"))
        if calls != 1:
            sys.exit(f"error: {self.peer} ran the source {calls} times instead of once")

    def twice(self) -> dict[str, float]:
        """Run the peer twice in a fresh folder."""
        self.fresh()
        return {"first run": seconds(self.run), "nothing to do": seconds(self.run)}

    def commented(self) -> dict[str, float]:
        """Run twice, and once more after a comment was added to the pipeline."""
        measures = self.twice()
        with (self.path / "pipeline.py").open("a", encoding="utf-8") as file:
            file.write("# a comment\n")
        return {**measures, "after one comment": seconds(self.run)}


def pipeline(width: int) -> str:
    """Write dagrun's pipeline."""
    return "from dagrun import stage\n\n\n" + functions("@stage", width)


def imports() -> dict[str, float]:
    """Import what a full plan of dagrun may import, in a process of its own."""
    command = [str(PEERS / "dagrun" / "bin" / "python"), "-c", "import networkx, polars, click"]
    return {"alone": seconds(lambda: subprocess.run(command, env=ENVIRONMENT, check=True))}


def grow(session: Session) -> None:
    """Measure how dagrun's figures grow from 1,002 stages to 10,002."""
    small, large = Folder("dagrun"), Folder("dagrun", TENFOLD)
    contenders = {"1,002": small.twice, "10,002": large.twice}
    session.rounds(contenders, count=3, unit="s")
    for measure in ("first run", "nothing to do"):
        name = f"{measure}: 10,002 / 1,002 stages"
        session.ratio(name, f"10,002 {measure}", f"1,002 {measure}", better="lower")
    session.record("10,002 peak memory", [large.peak / 1e6], "MB")


def main() -> None:
    """Run the session."""
    quick = is_quick()
    session = Session("engine", quick=quick)
    for peer in COMMANDS:
        prepare(peer, SCRATCH)
    folders = {peer: Folder(peer) for peer in COMMANDS}
    contenders = {peer: folder.twice for peer, folder in folders.items()}
    contenders["dagrun"] = folders["dagrun"].commented
    contenders["imports"] = imports
    for once in contenders.values():
        once()  # not counted: it writes everybody's bytecode
    session.rounds(contenders, count=3 if quick else 9, unit="s")
    for measure in ("first run", "nothing to do"):
        for peer in ("doit", "hamilton"):
            session.ratio(f"{measure}: {peer} / dagrun", f"{peer} {measure}", f"dagrun {measure}")
    name = "after one comment: dagrun / imports alone"
    session.ratio(name, "dagrun after one comment", "imports alone", better="lower")
    if not quick:
        grow(session)
    session.finish()


if __name__ == "__main__":
    main()
