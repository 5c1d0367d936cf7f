"""Tokens: the file, what it refuses, and callers with and without one."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st

from dagrun.server.client import Client, ClientSettings
from dagrun.server.serving import Server
from dagrun.server.serving.tokens import BadTokens, Token, Tokens, new_token, read_tokens

Row = Callable[..., dict[str, object]]
Start = Callable[..., Server]


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def get_model(server: Server, *metadata: tuple[str, str]) -> bytes:
    with grpc.insecure_channel(server.address) as channel:
        method = channel.unary_unary("/dagrun.v1.Prediction/ListModels")
        return bytes(method(b"", metadata=metadata, timeout=20))


def bearer(token: str) -> tuple[str, str]:
    return "authorization", f"Bearer {token}"


def test_a_new_token_is_found_by_its_line_alone(tmp_path: Path) -> None:
    token, line = new_token("billing")
    tokens = read_tokens(write(tmp_path / "tokens", "# ours", "", line + "  # since May"))
    found = tokens.find(token)
    assert found is not None
    assert found.name == "billing"
    assert tokens.find(token + "x") is None
    assert tokens.find("") is None
    assert token not in repr(tokens) + str(tokens) + line
    assert hashlib.sha256(token.encode()).hexdigest() in line


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_no_other_text_is_a_token(text: str) -> None:
    tokens = Tokens([Token(name="billing", digest=hashlib.sha256(b"right").digest())])
    assert (tokens.find(text) is None) == (text != "right")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", "it has no token, so nobody could call"),
        ("billing", "line 1: the hash is not SHA-256"),
        ("billing secret", "line 1: the hash is not SHA-256"),
        (f"bill/ing {'0' * 64}", "line 1: the name is not of letters"),
        (f"billing {'0' * 64} Predict", "line 1: it has words after the hash"),
        (f"billing {'0' * 64} only=Predict only=Explain", "line 1: it has words after the hash"),
        (f"billing {'0' * 64} only=", "line 1: only= wants names of methods"),
    ],
)
def test_a_line_that_is_none_is_told_without_showing_it(
    tmp_path: Path, line: str, problem: str
) -> None:
    with pytest.raises(BadTokens, match=problem) as caught:
        read_tokens(write(tmp_path / "tokens", line))
    assert "secret" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadTokens, match="No such file"):
        read_tokens(tmp_path / "none")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(BadTokens, match="no text"):
        read_tokens(tmp_path / "bytes")


def test_calls_without_a_valid_token_are_told_what_to_do(start: Start, tmp_path: Path) -> None:
    token, line = new_token("billing")
    server = start(tokens=str(write(tmp_path / "tokens", line)))
    for metadata, told in [
        ((), "wants a token: send it as metadata, 'authorization: Bearer TOKEN'"),
        ((("authorization", f"Basic {token}"),), "wants a token"),
        ((bearer(token), bearer(token)), "wants a token"),
        ((bearer("x" + token),), "the token is not valid here"),
        ((bearer(""),), "the token is not valid here"),
    ]:
        with pytest.raises(grpc.RpcError, match=told) as caught:
            get_model(server, *metadata)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert ("www-authenticate", "Bearer") in list(caught.value.trailing_metadata())
        assert token not in str(caught.value)
    assert get_model(server, bearer(token))
    assert get_model(server, ("authorization", f"bearer  {token} "))


def test_a_client_with_a_token_comes_in(start: Start, tmp_path: Path, make_row: Row) -> None:
    token, line = new_token("billing")
    server = start(tokens=str(write(tmp_path / "tokens", line)))
    with Client(server.address, ClientSettings(timeout=20, token=token)) as client:
        assert len(client.predict("flights", [make_row()])) == 1


def test_a_token_may_be_for_some_methods_only(start: Start, tmp_path: Path) -> None:
    token, line = new_token("billing", ["Predict", "PredictTable"])
    server = start(tokens=str(write(tmp_path / "tokens", line)))
    with pytest.raises(grpc.RpcError, match=r"billing may call Predict, PredictTable, not List"):
        get_model(server, bearer(token))
    with grpc.insecure_channel(server.address) as channel:
        predict = channel.unary_unary("/dagrun.v1.Prediction/Predict")
        with pytest.raises(grpc.RpcError) as caught:
            predict(b"", metadata=[bearer(token)], timeout=20)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_probes_need_no_token_and_lists_do(start: Start, tmp_path: Path) -> None:
    server = start(tokens=str(write(tmp_path / "tokens", new_token("billing")[1])))
    with grpc.insecure_channel(server.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest()
        assert stub.Check(request, timeout=20).status == health_pb2.HealthCheckResponse.SERVING
        assert next(iter(stub.Watch(request, timeout=20))).status == 1
        with pytest.raises(grpc.RpcError, match="wants a token"):
            stub.List(health_pb2.HealthListRequest(), timeout=20)
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/no/Method")(b"", timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_token_is_replaced_without_a_gap(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (old, old_line), (new, new_line) = new_token("old"), new_token("new")
    path = write(tmp_path / "tokens", old_line)
    server = start(tokens=str(path))
    tokens = server.entrance.tokens
    assert tokens is not None

    def change(*lines: str) -> None:
        before = tokens.value
        write(path, *lines)
        while tokens.value is before:
            threading.Event().wait(0.01)

    change(old_line, new_line)
    assert get_model(server, bearer(old)) == get_model(server, bearer(new))
    change(new_line)
    with pytest.raises(grpc.RpcError, match="not valid here"):
        get_model(server, bearer(old))
    with caplog.at_level(logging.ERROR):
        write(path, "")
        while "the old one stays" not in caplog.text:
            threading.Event().wait(0.01)
    assert get_model(server, bearer(new))
    assert old not in caplog.text
    assert new not in caplog.text
