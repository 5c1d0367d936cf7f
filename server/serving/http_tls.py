"""TLS of the HTTP port, with the certificate that gRPC shows, replaced when that is.

Guarantee: each handshake uses one certificate and its own key, those of the files at most a second
ago or the last good ones. Where it ends: clients are not asked for certificates here, since those
who scrape metrics and probe have none.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from dagrun.server.serving.certificates import Certificate
from dagrun.server.serving.watched import Watched


class HttpTls:
    """What an HTTP port encrypts with.

    Attributes:
        context: for new connections; None without a certificate.
    """

    def __init__(self, certificate: Watched[Certificate] | None, folder: Path) -> None:
        """Follow a certificate; OpenSSL reads it from a file, written into a private `folder`."""
        self._certificate, self._file = certificate, folder / "http.pem"
        self._shown: Certificate | None = None
        self.context: ssl.SSLContext | None = None
        self.look_again()

    def look_again(self) -> None:
        """Show new connections the certificate of this moment."""
        if self._certificate is None or self._certificate.value is self._shown:
            return
        self._shown = self._certificate.value
        self._present = self._loaded(self._shown)
        if self.context is None:
            self.context = self._present
            self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject, _name: str, _context: ssl.SSLContext) -> None:
        """Have a handshake that begins use the context of this moment, which stays as it is."""
        connection.context = self._present

    def _loaded(self, certificate: Certificate) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            with os.fdopen(os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.write(certificate.key + b"\n" + certificate.chain)
            context.load_cert_chain(self._file)
        finally:
            self._file.unlink(missing_ok=True)
        return context
