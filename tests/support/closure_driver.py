"""Load pipelines and print the code version of a stage, each in a process of its own.

Reads `[root, stage]` from each line of standard input. This process imports no pipeline; each one
is loaded in a fork of it, so every module is fresh.
"""

import importlib
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

import dagrun.engine
import dagrun.stages
from dagrun.engine.code.closure import Closures
from dagrun.engine.errors import DagrunError
from dagrun.engine.pipeline import load_pipeline
from dagrun.engine.project import find_project


def load_and_close(root: Path, name: str) -> dict[str, object]:
    # Files that are added to dagrun's own packages, as another release of it might.
    dagrun.stages.__path__.append(str(root / "dagrun_stages"))
    dagrun.engine.__path__.append(str(root / "dagrun_engine"))
    sys.path.append(str(root / ".venv" / "site-packages"))
    sys.path.append(str(root.parent / "outside"))
    importlib.invalidate_caches()
    pipeline = load_pipeline(find_project(None, root))
    try:
        found = Closures(root).code_version(pipeline.stages[name].function, name)
    except DagrunError as error:
        return {"error": str(error), "kind": type(error).__name__}
    return {
        "symbols": dict(found.symbols),
        "texts": dict(found.texts),
        "paths": {name: list(path) for name, path in found.paths.items()},
        "distributions": dict(found.distributions),
        "warnings": list(found.warnings),
        "files": sorted(path.name for path in found.files),
        "loaded": sorted({"polars", "networkx", "google.protobuf"} & set(sys.modules)),
    }


def in_a_fork(root: Path, name: str) -> dict[str, object]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = json.dumps(load_and_close(root, name))
        except BaseException:  # noqa: BLE001 (the parent reports it)
            answer = json.dumps({"error": traceback.format_exc(), "kind": "crash"})
        with os.fdopen(writer, "w") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return json.loads(answer)


def write_project(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


class Driver:
    """This file as a process that answers `version_of` for one project after the other."""

    def __enter__(self) -> "Driver":
        command = [sys.executable, "-P", "-B", __file__]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        return self

    def version_of(self, root: Path, stage: str = "model") -> dict:
        self.process.stdin.write(json.dumps([str(root), stage]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def __exit__(self, *problem: object) -> None:
        self.process.communicate()


if __name__ == "__main__":
    for line in sys.stdin:
        place, stage = json.loads(line)
        print(json.dumps(in_a_fork(Path(place), stage)), flush=True)
