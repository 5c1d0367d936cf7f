"""Run one tool on one project after another, each in a process of its own.

Called `python driver.py TOOL CACHE`; reads the project's folder from each line of standard input
and answers with a JSON line: null, or the error. This process imports the tool but never the
project; each run is a fork of it, so every module of the project is fresh. The project's stage
`model` is declared to the tool as its documentation says, with the same input each time.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROWS = [1, 2, 3]
Runner = Callable[[Path], None]


def pipeline() -> Any:
    return importlib.import_module("pipeline")


def with_joblib(cache: Path) -> Runner:
    import joblib

    def run(root: Path) -> None:
        joblib.Memory(cache, verbose=0).cache(pipeline().model)(ROWS)

    return run


def with_hamilton(cache: Path) -> Runner:
    from hamilton import ad_hoc_utils, driver

    def run(root: Path) -> None:
        module = ad_hoc_utils.create_temporary_module(pipeline().model, module_name="model_only")
        built = driver.Builder().with_modules(module).with_cache(path=str(cache)).build()
        built.execute(["model"], inputs={"rows": ROWS})

    return run


def with_redun(cache: Path) -> Runner:
    from redun import Scheduler, task
    from redun.config import Config

    def run(root: Path) -> None:
        model = task(name="model", namespace="bench")(pipeline().model)
        scheduler = Scheduler(config=Config({"backend": {"db_uri": f"sqlite:///{cache}/db"}}))
        scheduler.load()
        scheduler.run(model(ROWS))

    return run


def with_prefect(cache: Path) -> Runner:
    home = cache.parent / "server"
    settings = {"PREFECT_HOME": str(home), "PREFECT_LOCAL_STORAGE_PATH": str(cache)}
    port = 4299
    settings |= {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api", "DO_NOT_TRACK": "1"}
    settings |= {"PREFECT_LOGGING_LEVEL": "ERROR", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    os.environ.update(settings)
    command = [str(Path(sys.executable).parent / "prefect"), "server", "start", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ENDING.extend((server.terminate, server.wait))
    while server.poll() is None:
        try:
            urllib.request.urlopen(f"{settings['PREFECT_API_URL']}/health").close()
            break
        except OSError:
            time.sleep(0.1)
    from prefect import task
    from prefect.cache_policies import INPUTS, TASK_SOURCE

    def run(root: Path) -> None:
        declare = task(cache_policy=INPUTS + TASK_SOURCE, persist_result=True)
        declare(pipeline().model)(ROWS)

    return run


def with_dagrun(cache: Path) -> Runner:
    import dagrun.cli.main
    import dagrun.engine
    import dagrun.stages

    def run(root: Path) -> None:
        if code := dagrun.cli.main.main(["run", "-t", "model"]):
            raise RuntimeError(f"dagrun run ended with exit code {code}")

    return run


TOOLS = {
    "dagrun": with_dagrun,
    "hamilton": with_hamilton,
    "joblib": with_joblib,
    "prefect": with_prefect,
    "redun": with_redun,
}
ENDING: list[Callable[[], object]] = []


def in_a_fork(run: Runner, root: Path) -> str | None:
    """Run in a fork; return the error, if there was one."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        answer = ""
        try:
            os.chdir(root)
            sys.path[:0] = [str(root)]
            sys.path.append(str(root / ".venv" / "site-packages"))
            # What the project takes from dagrun's own packages: added files, or a stand-in's.
            for name in ("stages", "engine"):
                importlib.import_module(f"dagrun.{name}").__path__.append(
                    str(root / f"dagrun_{name}")
                )
            importlib.invalidate_caches()
            run(root)
        except BaseException:  # noqa: BLE001 (the parent reports it)
            answer = traceback.format_exc()
        with os.fdopen(writer, "w") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer or None


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.path = [entry for entry in sys.path if entry != str(Path(__file__).parent)]
    if sys.argv[1] != "dagrun":
        sys.path.append(str(Path(__file__).parent / "standin"))
    try:
        chosen = TOOLS[sys.argv[1]](Path(sys.argv[2]))
        for line in sys.stdin:
            print(json.dumps(in_a_fork(chosen, Path(line.strip()))), flush=True)
    finally:
        for end in ENDING:
            end()
