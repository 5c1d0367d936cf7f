"""TLS and client certificates: proved at the start, replaced while serving, never in the open."""

from __future__ import annotations

import datetime as dt
import logging
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from dagrun.server.client import Client, ClientSettings, ServerUnreachable, Tls
from dagrun.server.serving import Server, ServerSettings
from dagrun.server.serving.certificates import BadCertificate, read_certificate
from dagrun.server.serving.exposure import Exposed, TlsIncomplete, entrance
from dagrun.server.serving.tokens import BadTokens

Row = Callable[..., dict[str, object]]
Start = Callable[..., Server]


class Files:
    """The files of a server and its clients, made by one authority."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.chain, self.key = folder / "server.pem", folder / "server.key"
        self.roots = folder / "roots.pem"
        self.authority.cert_pem.write_to_path(self.roots)
        self.client = (folder / "client.pem", folder / "client.key")
        self.issue()
        self.write(self.authority.issue_cert("billing.example"), *self.client)

    def issue(self, **options: object) -> trustme.LeafCert:
        issued = self.authority.issue_cert("127.0.0.1", **options)  # type: ignore[arg-type]
        self.write(issued, self.chain, self.key)
        return issued

    @staticmethod
    def write(issued: trustme.LeafCert, chain: Path, key: Path) -> None:
        chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(key)

    def tls(self, **settings: object) -> dict[str, object]:
        return {"tls_cert": str(self.chain), "tls_key": str(self.key), **settings}

    def connect(self, server: Server, *, mutual: bool = False, patience: float = 20) -> Client:
        chain, key = self.client if mutual else (None, None)
        tls = Tls(roots=self.roots, certificate=chain, key=key)
        return Client(server.address, ClientSettings(timeout=patience, tls=tls))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def serial(server: Server) -> str:
    """Return the certificate that a new connection gets."""
    return ssl.get_server_certificate(("127.0.0.1", server.port), timeout=20)


def wait_for(condition: Callable[[], object]) -> None:
    while not condition():
        threading.Event().wait(0.01)


def test_rows_are_scored_over_tls(start: Start, files: Files, make_row: Row) -> None:
    with files.connect(start(**files.tls())) as client:
        assert len(client.predict("flights", [make_row()])) == 1


def test_without_tls_nobody_comes_in(start: Start, files: Files, make_row: Row) -> None:
    server = start(**files.tls())
    with (
        Client(server.address, ClientSettings(timeout=1)) as client,
        pytest.raises(ServerUnreachable),
    ):
        client.predict("flights", [make_row()])


def test_clients_show_a_certificate_where_it_is_asked(
    start: Start, files: Files, make_row: Row
) -> None:
    server = start(**files.tls(client_ca=str(files.roots)))
    with files.connect(server, mutual=True) as client:
        assert len(client.predict("flights", [make_row()])) == 1
    with files.connect(server, patience=1) as client, pytest.raises(ServerUnreachable):
        client.predict("flights", [make_row()])
    other = trustme.CA()
    Files.write(other.issue_cert("billing.example"), *files.client)
    with (
        files.connect(server, mutual=True, patience=1) as client,
        pytest.raises(ServerUnreachable),
    ):
        client.predict("flights", [make_row()])


def test_a_new_certificate_is_shown_without_a_restart(
    start: Start, files: Files, make_row: Row, caplog: pytest.LogCaptureFixture
) -> None:
    server = start(**files.tls())
    with files.connect(server) as client, caplog.at_level(logging.WARNING):
        client.predict("flights", [make_row()])
        before = serial(server)
        files.issue()
        wait_for(lambda: serial(server) != before)
        after = serial(server)
        assert "TLS certificate: taken anew (127.0.0.1, valid until" in caplog.text

        files.key.write_text("no key")
        wait_for(lambda: "the old one stays" in caplog.text)
        assert f"{files.chain}: does not go with {files.key}" in caplog.text
        assert serial(server) == after
        assert len(client.predict("flights", [make_row()])) == 1
    with files.connect(server) as client:
        assert len(client.predict("flights", [make_row()])) == 1
    assert "PRIVATE" not in caplog.text


def test_authorities_are_replaced_too(start: Start, files: Files, make_row: Row) -> None:
    server = start(**files.tls(client_ca=str(files.roots)))
    trusted = files.roots.parent / "clients.pem"
    assert server.entrance.certificate is not None
    before = server.entrance.certificate.value
    other = trustme.CA()
    Files.write(other.issue_cert("billing.example"), *files.client)
    trusted.write_bytes(files.roots.read_bytes() + other.cert_pem.bytes())
    trusted.rename(files.roots)
    wait_for(lambda: server.entrance.certificate.value is not before)
    with files.connect(server, mutual=True) as client:
        assert len(client.predict("flights", [make_row()])) == 1


def test_a_certificate_is_proved_before_anything_listens(files: Files, tmp_path: Path) -> None:
    good = read_certificate(files.chain, files.key, files.roots)
    assert good.subject == "127.0.0.1"
    assert "PRIVATE" not in repr(good)
    with pytest.raises(BadCertificate, match=r"none\.pem: No such file"):
        read_certificate(tmp_path / "none.pem", files.key)
    with pytest.raises(BadCertificate, match="does not go with"):
        read_certificate(files.chain, files.client[1])
    with pytest.raises(BadCertificate, match="holds no authorities"):
        read_certificate(files.chain, files.key, files.key)
    past = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
    files.issue(not_before=past, not_after=past + dt.timedelta(days=1))
    with pytest.raises(BadCertificate, match="certificate has expired"):
        read_certificate(files.chain, files.key)


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        *((host, False) for host in ("127.0.0.1", "localhost", "::1", "[::1]")),
        *((host, True) for host in ("0.0.0.0", "::", "[::]", "203.0.113.9")),
    ],
)
def test_only_loopback_is_open_without_saying_so(host: str, reached: bool) -> None:
    if not reached:
        assert entrance(ServerSettings(host=host)).report() == []
        return
    with pytest.raises(Exposed, match="--tls-cert and --tls-key, or listen on 127"):
        entrance(ServerSettings(host=host))
    lines = entrance(ServerSettings(host=host, insecure=True)).report()
    assert [line.partition(":")[2][:10] for line in lines] == [" no TLS: w", " no tokens"]


def test_with_tls_other_machines_are_welcome(files: Files) -> None:
    settings = ServerSettings(host="0.0.0.0", **files.tls())  # type: ignore[arg-type]
    line, warning = entrance(settings).report()
    assert line.startswith("TLS: 127.0.0.1, valid until ")
    assert warning == "warning: no tokens: whoever reaches the server may call it"


def test_files_of_no_use_are_told(files: Files) -> None:
    with pytest.raises(TlsIncomplete, match="--tls-cert is of no use without --tls-key"):
        entrance(ServerSettings(tls_cert=str(files.chain)))
    with pytest.raises(TlsIncomplete, match="--client-ca is of no use without --tls-cert"):
        entrance(ServerSettings(client_ca=str(files.roots)))
    with pytest.raises(BadTokens, match="No such file"):
        entrance(ServerSettings(tokens="/nowhere/tokens"))
