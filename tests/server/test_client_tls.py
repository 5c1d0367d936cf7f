"""Both clients over TLS: own authorities, client certificates, and what is said when they fail."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
import trustme
from tests_calls import Ask, ask_loop, ask_threads, fake

from dagrun.server.client import (
    Client,
    ClientSettingInvalid,
    ClientSettings,
    CredentialsUnreadable,
    ServerUnreachable,
    Tls,
)

both = pytest.mark.parametrize("ask", [ask_threads, ask_loop], ids=["threads", "loop"])


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def roots(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "roots.pem"
    authority.cert_pem.write_to_path(path)
    return path


def credentials(
    authority: trustme.CA, name: str = "127.0.0.1", *, mutual: bool = False
) -> grpc.ServerCredentials:
    issued = authority.issue_cert(name)
    chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
    roots = authority.cert_pem.bytes() if mutual else None
    return grpc.ssl_server_credentials(
        [(issued.private_key_pem.bytes(), chain)], roots, require_client_auth=mutual
    )


@both
def test_an_authority_of_ones_own_is_trusted(ask: Ask, authority: trustme.CA, roots: Path) -> None:
    with fake(credentials=credentials(authority)) as server:
        (outcome,) = ask(server.address, ClientSettings(tls=Tls(roots=roots), token="secret"))
    assert isinstance(outcome, list)
    assert server.metadata[0]["authorization"] == "Bearer secret"


@both
def test_a_certificate_of_another_name_is_named(
    ask: Ask, authority: trustme.CA, roots: Path
) -> None:
    with fake(credentials=credentials(authority, "models.example")) as server:
        tls = Tls(roots=roots, server_name="models.example")
        (outcome,) = ask(server.address, ClientSettings(tls=tls))
        assert isinstance(outcome, list)
        (outcome,) = ask(server.address, ClientSettings(tls=Tls(roots=roots)))
    assert isinstance(outcome, ServerUnreachable)
    assert "server_name of Tls" in str(outcome)


@both
def test_a_client_shows_its_certificate(
    ask: Ask, authority: trustme.CA, roots: Path, tmp_path: Path
) -> None:
    issued = authority.issue_cert("a-caller")
    certificate, key = tmp_path / "own.pem", tmp_path / "own.key"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    with fake(credentials=credentials(authority, mutual=True)) as server:
        tls = Tls(roots=roots, certificate=certificate, key=key)
        (outcome,) = ask(server.address, ClientSettings(tls=tls))
        assert isinstance(outcome, list)
        (outcome,) = ask(server.address, ClientSettings(tls=Tls(roots=roots)))
    assert isinstance(outcome, ServerUnreachable)


@pytest.mark.parametrize("encrypted", [True, False])
def test_both_sides_must_agree_to_encrypt(
    encrypted: bool, authority: trustme.CA, roots: Path
) -> None:
    """Whatever gRPC makes of it, it ends soon and is an error of ours."""
    tls = None if encrypted else Tls(roots=roots)
    with fake(credentials=credentials(authority) if encrypted else None) as server:
        (outcome,) = ask_threads(server.address, ClientSettings(tls=tls, retry_pause=0.01))
    assert isinstance(outcome, ServerUnreachable)


def test_strangers_are_not_trusted(authority: trustme.CA, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    with fake(credentials=credentials(authority)) as server:
        (outcome,) = ask_threads(server.address, ClientSettings(tls=Tls(roots=other)))
    assert isinstance(outcome, ServerUnreachable)
    assert "roots, certificate and server_name of Tls" in str(outcome)


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsUnreadable, match=r"none\.pem cannot be read: No such file"):
        Client("localhost:1", ClientSettings(tls=Tls(roots=tmp_path / "none.pem")))
    with pytest.raises(ClientSettingInvalid, match="both certificate and key"):
        Tls(certificate=tmp_path / "own.pem")
