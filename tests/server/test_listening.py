"""A port that is held, and shared on purpose only."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from dagrun.server.serving import CannotListen
from dagrun.server.serving.listening import HeldPort

HOST = "127.0.0.1"


def sharing(port: int) -> socket.socket:
    """Return a listener as gRPC makes one for a shared port."""
    made = socket.socket()
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        made.setsockopt(socket.SOL_SOCKET, option, 1)
    made.bind((HOST, port))
    made.listen()
    return made


def left_over(port: int) -> socket.socket:
    """Leave what a server leaves that closed a connection; return the caller's end."""
    with sharing(port) as listener:
        caller = socket.create_connection((HOST, port))
        listener.accept()[0].close()
    return caller


@pytest.mark.parametrize("after_another", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_one_server_holds_a_port_for_its_own_workers(workers: int, after_another: bool) -> None:
    with ExitStack() as stack:
        with HeldPort(HOST, 0) as first:
            port = first.port
        if after_another:
            stack.enter_context(left_over(port))
        held = stack.enter_context(HeldPort(HOST, port))
        assert held.address == f"{HOST}:{port}"
        for _ in range(workers):
            stack.enter_context(sharing(port))
        with pytest.raises(CannotListen, match=rf"cannot listen on {held.address}: Address alr"):
            HeldPort(HOST, port)
        for options in ((), (socket.SO_REUSEADDR,)):
            other = stack.enter_context(socket.socket())
            for option in options:
                other.setsockopt(socket.SOL_SOCKET, option, 1)
            with pytest.raises(OSError, match="in use"):
                other.bind((HOST, port))


def test_nothing_answers_on_a_port_that_is_only_held() -> None:
    with HeldPort(HOST, 0) as held, pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, held.port))


def test_an_address_of_another_host_is_refused() -> None:
    for host in ("192.0.2.1", "no.such.host.invalid"):
        with pytest.raises(CannotListen, match=f"cannot listen on {host}:8500"):
            HeldPort(host, 8500)


def test_all_addresses_of_a_name_are_held() -> None:
    with HeldPort("localhost", 0) as held, pytest.raises(OSError, match="in use"):
        socket.create_server((HOST, held.port))
