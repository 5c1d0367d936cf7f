"""Is a refusal rare? The code versions of every function of five public Polars projects.

The projects are installed, with what they import, in a scratch environment; then the source of
each is copied beneath an empty project's root, where it counts as the project's own code. Every
function of every module that can be imported is put to the closure as if it were a stage's, each
project in a process of its own. Prints what was tried, digested, refused and warned of, and each
kind of refusal and warning once. `--quick` takes two projects.
"""

from __future__ import annotations

import collections
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from environments import install_tree, prepare
from session import ROOT, Session, is_quick

PROJECTS = ("dataframely", "narwhals", "patito", "pointblank", "polars_ds")
SCRATCH = ROOT / "build" / "bench" / "refusals"
PROGRAM = """
import importlib, inspect, json, pkgutil, sys, types
from pathlib import Path
name, root = sys.argv[1], Path(sys.argv[2])
sys.path.insert(0, str(root))
from dagrun.engine.code.closure import Closures
from dagrun.engine.errors import DagrunError
package = importlib.import_module(name)
assert str(root) in package.__file__, package.__file__
modules, lost = [package], []
for item in pkgutil.walk_packages(package.__path__, name + ".", onerror=lost.append):
    try:
        modules.append(importlib.import_module(item.name))
    except BaseException as error:
        lost.append(f"{item.name}: {error!r}")
closures, functions = Closures(root), {}
for module in modules:
    for value in list(vars(module).values()):
        found = [value]
        if isinstance(value, type):
            found = [getattr(part, "__func__", part) for part in vars(value).values()]
        for function in found:
            function = inspect.unwrap(function) if callable(function) else function
            if isinstance(function, types.FunctionType) and function.__module__ == module.__name__:
                if not function.__code__.co_filename.startswith("<"):
                    functions[id(function)] = function
answers = []
for function in functions.values():
    where = f"{function.__module__}.{function.__qualname__}"
    try:
        version = closures.code_version(function, function.__name__)
        answers.append([where, "digested", list(version.warnings), len(version.symbols)])
    except DagrunError as error:
        answers.append([where, "refused", [str(error)], 0])
    except Exception as error:
        answers.append([where, "failed", [repr(error)], 0])
print(json.dumps({"answers": answers, "lost": lost}))
"""


def put_beneath_a_root(python: Path, name: str) -> Path:
    """Copy an installed project's source to where it counts as a project's own."""
    root = SCRATCH / name
    shutil.rmtree(root, ignore_errors=True)
    find = f"import importlib.util as u; print(u.find_spec({name!r}).origin)"
    done = subprocess.run([python, "-c", find], capture_output=True, text=True, check=True)
    shutil.copytree(Path(done.stdout.strip()).parent, root / name)
    (root / "pyproject.toml").touch()
    return root


def kind_of(message: str) -> str:
    """Return a message without the names of the function that it is about."""
    message = re.sub(r"^stage '[^']*': ", "", message)
    return re.sub(r" It is reached by .*?\. Build", " It is reached by .... Build", message)


def ask(python: Path, name: str) -> dict[str, Any]:
    """Return what the closure says of each function of a project."""
    root = put_beneath_a_root(python, name)
    done = subprocess.run(
        [python, "-P", "-W", "ignore", "-c", PROGRAM, name, str(root)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"error: {name} cannot be tried\n{done.stderr[-3000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> None:
    """Run the session."""
    quick = is_quick()
    session = Session("refusals", quick=quick)
    programs = prepare("projects", SCRATCH)
    install_tree(programs, SCRATCH)
    python = programs / "python"
    for name in PROJECTS[:2] if quick else PROJECTS:
        answer = ask(python, name)
        kinds = collections.Counter(status for _, status, _, _ in answer["answers"])
        tried = len(answer["answers"])
        warned = sum(1 for _, status, said, _ in answer["answers"] if said and status == "digested")
        print(
            f"\n{name}: {tried} functions tried, {kinds['digested']} digested "
            f"({warned} with a warning), {kinds['refused']} refused, {kinds['failed']} failed; "
            f"{len(answer['lost'])} modules could not be imported"
        )
        said = collections.Counter(
            f"{status}: {kind_of(text)}"
            for _, status, texts, _ in answer["answers"]
            for text in texts
        )
        for text, count in said.most_common(30):
            print(f"  {count:>5} x {text}")
        session.record(f"{name} tried", [tried], "functions")
        session.record(f"{name} digested", [kinds["digested"]], "functions")
        session.record(f"{name} warned", [warned], "functions")
        session.ratio(f"digested: {name}", f"{name} digested", f"{name} tried")
    session.finish()


if __name__ == "__main__":
    main()
