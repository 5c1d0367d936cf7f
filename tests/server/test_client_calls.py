"""Both clients: connections, repetitions, hedges, failover, names of calls, tokens."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import pytest
from tests_calls import ANSWER, Ask, Behaviour, ask_loop, ask_threads, fake

from dagrun.server.client import (
    CallFailed,
    Client,
    ClientClosed,
    ClientSettingInvalid,
    ClientSettings,
    CredentialsUnreadable,
    MessageTooLarge,
    MethodUnknown,
    NotAllowed,
    ServerBusy,
    ServerFailed,
    ServerUnreachable,
    TokenUnprotected,
)

NOWHERE = "127.0.0.1:1"


@pytest.fixture
def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


both = pytest.mark.parametrize("ask", [ask_threads, ask_loop], ids=["threads", "loop"])


def failed(outcome: object) -> CallFailed:
    assert isinstance(outcome, CallFailed)
    return outcome


def abort(code: grpc.StatusCode, pushback: str | None = None) -> Behaviour:
    """Return a behaviour that always fails."""

    def answer(_number: int, context: grpc.ServicerContext) -> bytes:
        if pushback is not None:
            context.set_trailing_metadata((("grpc-retry-pushback-ms", pushback),))
        return context.abort(code, "no")

    return answer


@both
def test_calls_under_way_are_spread_over_connections_of_their_own(ask: Ask) -> None:
    together = threading.Barrier(8, timeout=30)

    def answer(_number: int, context: grpc.ServicerContext) -> bytes:
        together.wait()
        return ANSWER

    with fake(answer) as server:
        assert len(ask(server.address, ClientSettings(channels=4), calls=8, at_once=8)) == 8
    by_peer = [server.peers.count(peer) for peer in set(server.peers)]
    assert sorted(by_peer) == [2, 2, 2, 2]


@both
@pytest.mark.parametrize(
    ("code", "pushback", "attempts"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "1", 4),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, None, 4),
        (grpc.StatusCode.UNAVAILABLE, None, 4),
        (grpc.StatusCode.CANCELLED, None, 4),
        (grpc.StatusCode.UNAVAILABLE, "-1", 1),  # the server asks not to be called again
        (grpc.StatusCode.UNAVAILABLE, "60000", 1),  # later than the timeout
        (grpc.StatusCode.INTERNAL, None, 1),
        (grpc.StatusCode.INVALID_ARGUMENT, None, 1),
        (grpc.StatusCode.DEADLINE_EXCEEDED, None, 1),
    ],
)
def test_only_what_may_mend_is_repeated(
    ask: Ask, code: grpc.StatusCode, pushback: str | None, attempts: int
) -> None:
    with fake(abort(code, pushback)) as server:
        (outcome,) = ask(server.address, ClientSettings(timeout=20, retry_pause=0.001))
    assert failed(outcome).code is code
    assert len(server.peers) == attempts
    if code is not grpc.StatusCode.INVALID_ARGUMENT:
        assert failed(outcome).attempts == attempts
    assert len({call["x-request-id"] for call in server.metadata}) == 1


@both
def test_repetitions_end_with_the_budget(ask: Ask) -> None:
    settings = ClientSettings(retry_pause=0, retry_burst=5, timeout=20)
    with fake(abort(grpc.StatusCode.UNAVAILABLE)) as server:
        outcomes = ask(server.address, settings, calls=20, at_once=4)
    assert all(isinstance(outcome, ServerUnreachable) for outcome in outcomes)
    assert len(server.peers) == 20 + 5


@both
def test_answers_earn_repetitions(ask: Ask) -> None:
    def answer(number: int, context: grpc.ServicerContext) -> bytes:
        if number % 5 == 4:  # one failure for four answers, which earn one repetition
            context.abort(grpc.StatusCode.UNAVAILABLE, "now and then")
        return ANSWER

    settings = ClientSettings(retry_pause=0, retry_burst=1, retry_share=0.25)
    with fake(answer) as server:
        outcomes = ask(server.address, settings, calls=40)
    assert all(isinstance(outcome, list) for outcome in outcomes)


@both
def test_a_hedge_answers_for_a_slow_call_which_is_given_up(ask: Ask) -> None:
    stuck = threading.Event()

    def answer(number: int, context: grpc.ServicerContext) -> bytes:
        if number == 0:
            stuck.wait(30)
        return ANSWER

    with fake(answer) as server:
        settings = ClientSettings(hedge_after=0.05, timeout=20)
        (outcome,) = ask(server.address, settings)
        assert isinstance(outcome, list)
        assert server.cancelled.acquire(timeout=20)
        stuck.set()
    assert len(set(server.peers)) == 2
    assert len({call["x-request-id"] for call in server.metadata}) == 1


@both
def test_a_failed_hedge_leaves_the_call_its_time(ask: Ask) -> None:
    hedged = threading.Event()

    def answer(number: int, context: grpc.ServicerContext) -> bytes:
        if number == 0:
            assert hedged.wait(30)
            return ANSWER
        hedged.set()
        return context.abort(grpc.StatusCode.INTERNAL, "only the hedge")

    with fake(answer) as server:
        (outcome,) = ask(server.address, ClientSettings(hedge_after=0.01, timeout=20))
    assert isinstance(outcome, list)
    assert len(server.peers) == 2


@both
def test_quick_calls_are_not_hedged_and_hedges_are_paid_for(ask: Ask) -> None:
    with fake() as server:
        ask(server.address, ClientSettings(hedge_after=10), calls=20)
    assert len(server.peers) == 20
    slow = threading.Event()
    with fake(lambda _number, _context: (slow.wait(0.3), ANSWER)[1]) as server:
        settings = ClientSettings(hedge_after=0.01, retry_burst=2, retry_share=0)
        ask(server.address, settings, calls=6, at_once=6)
    assert len(server.peers) == 6 + 2


@both
def test_servers_that_are_gone_are_passed_over(ask: Ask) -> None:
    with fake() as first, fake() as second:
        targets = f"{NOWHERE}, {first.address},{second.address}"
        outcomes = ask(targets, calls=40)
        assert all(isinstance(outcome, list) for outcome in outcomes)
        assert min(len(first.peers), len(second.peers)) >= 10


@both
def test_a_wrong_address_is_told_soon_and_patience_is_kept(ask: Ask) -> None:
    (outcome,) = ask(NOWHERE, ClientSettings(timeout=600))
    error = failed(outcome)
    assert isinstance(error, ServerUnreachable)
    assert "dagrun serve" in str(error)
    assert f"(request {error.request_id}, {error.attempts} attempts)" in str(error)
    (outcome,) = ask(NOWHERE, ClientSettings(timeout=600, patience=0, channels=1))
    assert failed(outcome).attempts == 1


def test_a_call_waits_for_a_server_that_was_there(free_port: int) -> None:
    with Client(f"127.0.0.1:{free_port}", timeout=60) as client:
        with fake(port=free_port):
            client.predict("m", [])
        waiting = threading.Thread(target=client.predict, args=("m", []))
        waiting.start()
        waiting.join(1.5)  # longer than an address that never answered is given
        assert waiting.is_alive()
        with fake(port=free_port) as server:
            waiting.join(30)
            assert not waiting.is_alive()
        assert len(server.peers) == 1


@both
def test_every_call_has_a_name(ask: Ask) -> None:
    with fake(abort(grpc.StatusCode.INTERNAL)) as server:
        outcomes = ask(server.address, calls=10, at_once=3)
    names = {call["x-request-id"] for call in server.metadata}
    assert len(names) == 10
    assert {failed(outcome).request_id for outcome in outcomes} == names
    assert all(f"(request {failed(o).request_id})" in str(o) for o in outcomes)


def test_the_name_that_the_server_gave_a_call_counts() -> None:
    def answer(_number: int, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("x-request-id", "theirs"),))
        return context.abort(grpc.StatusCode.INTERNAL, "see request theirs")

    with fake(answer) as server:
        (outcome,) = ask_threads(server.address)
    assert failed(outcome).request_id == "theirs"
    assert str(outcome) == f"{server.address}: see request theirs"


@pytest.mark.parametrize(
    ("code", "kind", "advice"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, NotAllowed, "token"),
        (grpc.StatusCode.PERMISSION_DENIED, NotAllowed, "token"),
        (grpc.StatusCode.UNIMPLEMENTED, MethodUnknown, "dagrun server"),
        (grpc.StatusCode.INTERNAL, ServerFailed, "request"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ServerBusy, "more servers"),
    ],
)
def test_errors_say_what_to_do(code: grpc.StatusCode, kind: type[CallFailed], advice: str) -> None:
    with fake(abort(code)) as server:
        (outcome,) = ask_threads(server.address, ClientSettings(retry_pause=0))
    assert type(outcome) is kind
    assert advice in str(outcome)


@both
def test_a_large_response_is_no_busy_server(ask: Ask) -> None:
    with fake(lambda _number, _context: b"x" * 10_000) as server:
        (outcome,) = ask(server.address, ClientSettings(max_message_bytes=1_000))
    assert isinstance(outcome, MessageTooLarge)
    assert len(server.peers) == 1


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
