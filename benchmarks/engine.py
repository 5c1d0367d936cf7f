"""1,002 trivial stages, run for the first time and again with nothing to do; whole processes.

The graph: one source, ten layers of 100 stages with two inputs each, one sink over the last layer.
dagrun (content store, code identity), Hamilton with its cache, and doit (files and time stamps, no
content store) compute the same number, each in a scratch environment of its own with pinned
versions. Every run is a new process, started by the command that people type. The source counts
its calls, so that a second run which did any work is an error and not a figure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping

from environments import prepare
from session import ROOT, Session, is_quick, seconds

LAYERS, WIDTH = 10, 100
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
    result = ({total}) % {modulus}
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


def inputs_of(layer: int, index: int) -> tuple[str, str]:
    """Return the names of a stage's two inputs; the first layer has the source twice."""
    if layer == 0:
        return "source", "source"
    return f"s{layer - 1}_{index}", f"s{layer - 1}_{(index + 1) % WIDTH}"


def functions(decorator: str) -> str:
    """Write the graph as one function a stage."""
    parts = [decorator, SOURCE.lstrip()]
    for layer in range(LAYERS):
        for index in range(WIDTH):
            first, second = inputs_of(layer, index)
            text = STAGE.format(
                name=f"s{layer}_{index}", first=first, second=second, index=index, modulus=MODULUS
            )
            text = text.replace("source: int, source: int", "source: int")
            parts += [decorator, text.lstrip()]
    last = [f"s{LAYERS - 1}_{index}" for index in range(WIDTH)]
    sink = SINK.format(
        parameters=", ".join(f"{name}: int" for name in last),
        total=" + ".join(last),
        modulus=MODULUS,
    )
    return "\n".join([*parts, decorator, sink.lstrip()])


def expected() -> int:
    """Compute the sink's value in plain Python."""
    values = {"source": 1}
    for layer in range(LAYERS):
        for index in range(WIDTH):
            first, second = inputs_of(layer, index)
            values[f"s{layer}_{index}"] = (values[first] + 2 * values[second] + index) % MODULUS
    return sum(values[f"s{LAYERS - 1}_{index}"] for index in range(WIDTH)) % MODULUS


FILES: Mapping[str, Mapping[str, str]] = {
    "dagrun": {
        "pyproject.toml": "",  # the project, and so the store, is this folder
        "pipeline.py": "from dagrun import stage\n\n\n" + functions("@stage"),
    },
    "doit": {"dodo.py": DODO.lstrip()},
    "hamilton": {"pipeline.py": functions(""), "run.py": HAMILTON.lstrip()},
}


def contender(peer: str) -> Callable[[], Mapping[str, float]]:
    """Return what runs a peer twice in a fresh folder and gives the seconds of both runs."""
    binaries = prepare(peer, SCRATCH)
    program, *arguments = COMMANDS[peer]
    command = [str(binaries / program), *arguments]
    folder = SCRATCH / peer
    environment = {name: value for name, value in os.environ.items() if "PYTHON" not in name}
    right = str(expected())

    def run() -> None:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        result = folder / "result"
        if done.returncode or not result.exists() or result.read_text("utf-8") != right:
            sys.exit(f"error: {peer} gave a wrong result\n{done.stdout[-2000:]}{done.stderr}")
        calls = len((folder / "calls").read_text("utf-8"))
        if calls != 1:
            sys.exit(f"error: {peer} ran the source {calls} times instead of once")

    def both() -> Mapping[str, float]:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, text in FILES[peer].items():
            (folder / name).write_text(text, "utf-8")
        return {"first run": seconds(run), "nothing to do": seconds(run)}

    return both


def main() -> None:
    """Run the session."""
    quick = is_quick()
    session = Session("engine", quick=quick)
    contenders = {peer: contender(peer) for peer in COMMANDS}
    for run_twice in contenders.values():
        run_twice()  # not counted: it writes everybody's bytecode
    session.rounds(contenders, count=3 if quick else 9, unit="s")
    for measure in ("first run", "nothing to do"):
        for peer in ("doit", "hamilton"):
            session.ratio(f"{measure}: {peer} / dagrun", f"{peer} {measure}", f"dagrun {measure}")
    session.finish()


if __name__ == "__main__":
    main()
