"""Both clients: connections, repetitions, hedges, failover, names of calls, tokens."""

from __future__ import annotations

import socket
import threading

import grpc
import pytest
from tests_calls import ANSWER, Ask, Behaviour, ask_loop, ask_threads, fake

from dagrun.server.client import (
    CallFailed,
    Client,
    ClientSettings,
    MessageTooLarge,
    MethodUnknown,
    NotAllowed,
    ServerBusy,
    ServerFailed,
    ServerUnreachable,
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
