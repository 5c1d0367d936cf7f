"""Hooks: whom to tell how a run ended, by a command or a webhook.

Declared in `pyproject.toml`, as strings or lists of strings, each a command line or a URL:

    [tool.dagrun.hooks]
    failed = "https://hooks.example/${TOKEN}"
    halted = ["python tell.py", "https://hooks.example/halted"]
    done = "python tell.py"
    timeout = 10

Guarantee: a hook gets the run as JSON, and whatever it does or fails to do, the run's result stays
what it was; a hook that does not get through is told, never raised. The limits: it is tried once;
a run that was interrupted, or killed, or that found nothing to do, calls none.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import string
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dagrun.engine.errors import DefinitionError, listing, nearest
from dagrun.engine.events import RunResult
from dagrun.engine.project import read_settings

OCCASIONS = ("done", "failed", "halted")
TIMEOUT = 10.0
"""Seconds that a hook may take, unless `timeout` says otherwise."""


class HooksInvalid(DefinitionError):
    """The hooks in pyproject.toml cannot be read."""

    def __init__(self, root: Path, problem: str) -> None:
        self.root, self.problem = root, problem
        super().__init__(
            f"[tool.dagrun.hooks] in {root / 'pyproject.toml'}: {problem}. It knows "
            f"{listing(OCCASIONS)}, each a command line or a URL or a list of these, and timeout, "
            "in seconds"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """A project's hooks: what to call on which occasion, and the seconds that each may take."""

    root: Path
    calls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    timeout: float = TIMEOUT

    def tell(self, result: RunResult, document: Mapping[str, Any]) -> tuple[str, ...]:
        """Call the hooks that a run's end calls for, all at once; return what went wrong.

        Each gets `document` with the `occasion` and a line of `text` in front.
        """
        occasion = occasion_of(result)
        calls = self.calls.get(occasion, ())
        told = {"text": summary_text(result), "occasion": occasion, **document}
        data = json.dumps(told, ensure_ascii=False).encode()
        problems: dict[str, str] = dict.fromkeys(calls, f"no answer within {self.timeout:g} s")

        def call(target: str) -> None:
            try:
                problems[target] = self._call(target, data, occasion, result.run_id)
            except Exception as error:  # noqa: BLE001 - nothing of it may reach the run
                problems[target] = f"{type(error).__name__}: {error}"

        threads = [threading.Thread(target=call, args=(each,), daemon=True) for each in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            # A little longer than the hook itself may take, which ends it with a better message.
            thread.join(self.timeout + 1)
        return tuple(
            f"hook {target!r} on {occasion}: {problem}; the run's result stands"
            for target, problem in list(problems.items())
            if problem
        )

    def _call(self, target: str, data: bytes, occasion: str, run_id: str) -> str:
        if target.startswith(("http://", "https://")):
            return _post(target, data, self.timeout)
        names = {"DAGRUN_OCCASION": occasion, "DAGRUN_RUN_ID": run_id}
        return _execute(target, data, self.root, {**os.environ, **names}, self.timeout)


def occasion_of(result: RunResult) -> str:
    """Return `done`, `failed` or `halted`; "" for a run of which there is nothing to tell.

    A verification that found a difference counts as a failure.
    """
    if result.exit_code == 0:
        every = (*result.stages, *result.effects)
        return "done" if any(stage.status == "ran" for stage in every) else ""
    if result.status == "interrupted":
        return ""
    return "halted" if result.exit_code == 3 else "failed"


def summary_text(result: RunResult) -> str:
    """Return one line that says how a run ended, for those who show only that."""
    line = f"dagrun: {result.pipeline} {result.status}, run {result.run_id}"
    failed = [f"{stage.error}" for stage in (*result.stages, *result.effects) if stage.error]
    unlike = [check.name for check in result.checks or () if not check.passed]
    refused = [
        f"gate {stage.name!r}: {'; '.join(stage.verdict['reasons'])}"
        for stage in result.stages
        if stage.verdict and not stage.verdict["passed"]
    ]
    named = [f"not deterministic: {listing(unlike)}"] if unlike else []
    return ": ".join([line, *(" ".join(text.split()) for text in (*failed, *refused, *named))])


def read_hooks(root: Path) -> Hooks:
    """Read the hooks of the project at `root`. Raises `HooksInvalid` or `DefinitionError`."""
    declared = read_settings(root).get("hooks", {})
    if not isinstance(declared, dict):
        raise HooksInvalid(root, "it is no table")
    calls = {}
    for name, value in declared.items():
        if name == "timeout":
            continue
        if name not in OCCASIONS:
            raise HooksInvalid(root, f"{name!r} is unknown.{nearest(name, OCCASIONS)}")
        targets = [value] if isinstance(value, str) else value
        if not _are_texts(targets):
            raise HooksInvalid(root, f"{name} = {value!r} names nothing to call")
        calls[name] = tuple(targets)
    timeout = declared.get("timeout", TIMEOUT)
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout <= 0:
        raise HooksInvalid(root, f"timeout = {timeout!r} is no number of seconds")
    return Hooks(root=root, calls=calls, timeout=float(timeout))


def _are_texts(targets: object) -> bool:
    if not isinstance(targets, Sequence):
        return False
    return all(isinstance(target, str) and target.strip() for target in targets)


def _post(template: str, data: bytes, timeout: float) -> str:
    """POST the JSON; return what went wrong. `${NAME}` in the URL is from the environment."""
    # Imported by those who need it: a run without webhooks must not wait for it.
    import urllib.error
    import urllib.request

    try:
        url = string.Template(template).substitute(os.environ)
    except (KeyError, ValueError) as error:
        return f"its URL asks for an environment variable that is not set: {error}"
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "dagrun"}
    request = urllib.request.Request(url, data=data, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=timeout):
            return ""
    except urllib.error.HTTPError as error:
        with error:
            return f"the server answered {error.code} {error.reason}"
    except urllib.error.URLError as error:
        return f"it cannot be reached: {error.reason}"


def _execute(
    line: str, data: bytes, root: Path, environment: Mapping[str, str], timeout: float
) -> str:
    """Run the command with the JSON on standard input; return what went wrong."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            shlex.split(line),
            cwd=root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            process.communicate(data, timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return f"it took longer than {timeout:g} s and was stopped"
        if process.returncode == 0:
            return ""
        output.seek(0)
        said = output.read()[-2000:].decode(errors="replace").strip().splitlines()
    return f"it ended with status {process.returncode}" + (f": {said[-1]}" if said else "")
