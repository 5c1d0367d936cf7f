"""Hooks: a real command and a real HTTP server are told how a run ended."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests_cli import Call
from tests_project import ProjectFolder

TELLER = """
    import json, os, pathlib, sys

    run = json.load(sys.stdin)
    told = {**run, "env": os.environ["DAGRUN_OCCASION"], "at": os.getcwd()}
    with open("told.jsonl", "a") as file:
        file.write(json.dumps(told) + "\\n")
    print("printed by the hook")
"""


class Server(ThreadingHTTPServer):
    """Keeps what was posted to it."""

    daemon_threads = True

    def __init__(self) -> None:
        self.posts: list[tuple[str, str, Any]] = []
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        if self.path == "/slow":
            time.sleep(5)
        data = self.rfile.read(int(self.headers["Content-Length"]))
        server.posts.append((self.path, self.headers["Content-Type"], json.loads(data)))
        self.send_response(500 if self.path == "/broken" else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        yield server
        server.shutdown()


def declare(project: ProjectFolder, text: str) -> None:
    project.write("pyproject.toml", f"[project]\nname = 'p'\n[tool.dagrun.hooks]\n{text}\n")


def told(project: ProjectFolder) -> list[Any]:
    path = project.root / "told.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_command_gets_the_run_as_json(call: Call, numbers: ProjectFolder) -> None:
    numbers.write("tell.py", TELLER)
    command = f"{sys.executable} tell.py"
    declare(numbers, f"done = {command!r}\nfailed = [{command!r}]\nhalted = {command!r}")
    answer = call("run", "-t", "report", "--json")
    (done,) = told(numbers)
    assert done == {
        **answer.document,
        "text": f"dagrun: project done, run {done['run_id']}",
        "occasion": "done",
        "env": "done",
        "at": str(numbers.root),
    }
    assert "printed by the hook" not in answer.out
    call("run", "-t", "report")
    assert len(told(numbers)) == 1, "nothing ran, so there is nothing to tell"
    assert call("run", "-p", "verdict.least=0.9").code == 3
    numbers.edit("pipeline.py", "list(range(n))", "list(range('n'))")
    assert call("run").code == 1
    halted, failed = told(numbers)[1:]
    assert (halted["occasion"], failed["occasion"]) == ("halted", "failed")
    assert halted["text"].endswith("gate 'verdict': auc 0.7, at least 0.9")
    assert "running stage 'raw': calling it: TypeError" in failed["text"]


def test_a_webhook_gets_the_run_as_json(
    call: Call, numbers: ProjectFolder, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_PATH", "secret")
    declare(numbers, f"done = ['{server.url}/${{HOOK_PATH}}', '{server.url}/second']")
    answer = call("run", "--json")
    assert sorted(path for path, _, _ in server.posts) == ["/second", "/secret"]
    for _, kind, posted in server.posts:
        assert kind.startswith("application/json")
        assert posted["run_id"] == answer.document["run_id"]
        assert [stage["name"] for stage in posted["stages"]][:2] == ["raw", "split"]


@pytest.mark.parametrize(
    ("hook", "problem"),
    [
        ("URL/broken", "the server answered 500"),
        ("URL/slow", "no answer|timed out"),
        ("http://127.0.0.1:1/", "cannot be reached: .*refused"),
        ("http://no host/", "InvalidURL|cannot be reached"),
        ("https://x/${NOT_SET_ANYWHERE}", "not set: 'NOT_SET_ANYWHERE'"),
        ("sh -c 'echo why >&2; exit 7'", "ended with status 7: why"),
        ("sh -c 'sleep 60 & sleep 60'", "longer than 0.5 s and was stopped"),
        ("no-such-program", "FileNotFoundError"),
        ("sh -c 'unclosed", "No closing quotation"),
    ],
)
def test_a_broken_hook_is_told_and_changes_nothing(
    call: Call, numbers: ProjectFolder, server: Server, hook: str, problem: str
) -> None:
    hook = hook.replace("URL", server.url)
    declare(numbers, f"done = {json.dumps(hook)}\ntimeout = 0.5")
    answer = call("run", "-t", "raw")
    assert answer.code == 0
    (line,) = [line for line in answer.err.splitlines() if line.startswith("warning: hook")]
    assert re.search(problem, line)
    assert "on done" in line
    assert line.endswith("the run's result stands")


def test_a_verification_that_finds_a_difference_is_a_failure_to_tell(
    call: Call, project: ProjectFolder
) -> None:
    project.write("tell.py", TELLER)
    declare(project, f"failed = '{sys.executable} tell.py'")
    project.write(
        "pipeline.py",
        """
        import time
        from dagrun import stage

        @stage
        def clock():
            return time.time_ns()
        """,
    )
    call("run")
    assert call("run", "--verify").code == 5
    assert told(project)[0]["text"].endswith("not deterministic: clock")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("fialed = 'x'", "'fialed' is unknown. Did you mean 'failed'?"),
        ("failed = 3", "failed = 3 names nothing to call"),
        ("failed = ['']", "names nothing to call"),
        ("timeout = 0", "timeout = 0 is no number of seconds"),
    ],
)
def test_what_is_declared_wrongly_is_told_before_anything_runs(
    call: Call, numbers: ProjectFolder, text: str, problem: str
) -> None:
    declare(numbers, text)
    answer = call("run")
    assert answer.code == 2
    assert problem in answer.err
    assert "raw" not in answer.out
