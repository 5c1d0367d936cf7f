"""What a client is made of: settings, targets, tokens; closing and forking."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests_calls import Ask, ask_loop, ask_threads, fake

from dagrun.server.client import (
    Client,
    ClientClosed,
    ClientSettingInvalid,
    ClientSettings,
    CredentialsUnreadable,
    ServerUnreachable,
    TokenUnprotected,
)
from dagrun.server.client.lanes import Lane

NOWHERE = "127.0.0.1:1"
both = pytest.mark.parametrize("ask", [ask_threads, ask_loop], ids=["threads", "loop"])


@both
def test_a_token_goes_with_every_call(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from a file\n")
    with fake() as server:
        ask(server.address, ClientSettings(token="secret"))
        ask(server.address, ClientSettings(token_file=file))
    told = [call["authorization"] for call in server.metadata]
    assert told == ["Bearer secret", "Bearer from a file"]


def test_a_token_does_not_leave_the_host_in_the_clear(tmp_path: Path) -> None:
    for target in ("models.example:8500", "10.0.0.7:8500", "dns:///models:8500"):
        with pytest.raises(TokenUnprotected, match="tls="):
            Client(target, ClientSettings(token="secret"))
    for target in ("localhost:1", "127.0.0.1:1", "[::1]:1", "ipv4:127.0.0.1:1", "unix:/tmp/x"):
        Client(target, ClientSettings(token="secret"))
    with pytest.raises(CredentialsUnreadable, match="No such file"):
        Client("localhost:1", ClientSettings(token_file=tmp_path / "none"))


@pytest.mark.parametrize(
    "changes",
    [
        {"timeout": 0},
        {"timeout": float("nan")},
        {"channels": 0},
        {"attempts": 0},
        {"patience": -1},
        {"hedge_after": -0.1},
        {"keepalive": 0},
        {"token": "a", "token_file": Path("b")},
    ],
)
def test_settings_are_checked(changes: dict[str, object]) -> None:
    with pytest.raises(ClientSettingInvalid, match=rf"client's {list(changes)[-1]} is "):
        ClientSettings(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("target", ["", "a:1,,b:2", []])
def test_targets_are_checked(target: str | list[str]) -> None:
    with pytest.raises(ClientSettingInvalid, match="HOST:PORT"):
        Client(target)


def test_a_closed_client_says_so() -> None:
    client = Client(NOWHERE)
    client.close()
    with pytest.raises(ClientClosed, match="with"):
        client.models()


def test_a_long_outage_ends_no_arithmetic() -> None:
    lane = Lane(NOWHERE, lambda: None)
    for _ in range(2_000):
        lane.missed()
    assert 0 < lane.aside_until - time.monotonic() <= 1
    settings = ClientSettings(timeout=600, patience=2, channels=1, retry_pause=0)
    (outcome,) = ask_threads(NOWHERE, settings)
    assert isinstance(outcome, ServerUnreachable)
    assert 2 < outcome.attempts <= 200  # a hundredth of a second apart at least


FORK = """
import os, sys
from dagrun.server.client import Client, ClientForked

used, fresh = Client(sys.argv[1]), Client(sys.argv[1])
if sys.argv[2] == "used":
    used.predict("m", [])
child = os.fork()
if not child:
    try:
        (used if sys.argv[2] == "used" else fresh).predict("m", [])
        os._exit(0)
    except ClientForked:
        os._exit(7)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize(("which", "code"), [("fresh", 0), ("used", 7)])
def test_a_forked_child_uses_what_had_not_connected(which: str, code: int) -> None:
    with fake() as server:
        command = [sys.executable, "-P", "-c", FORK, server.address, which]
        assert subprocess.run(command, check=False, timeout=60).returncode == code
    assert len(server.peers) == 1
