"""Addresses to listen on: holding a port for processes that will share it.

Guarantee: while a `HeldPort` is open, nobody else's socket can be bound to its port, also not
another server's whose workers share theirs; processes of the same user that ask for a shared port
can. Nothing listens on it meanwhile, so connections are refused and none is lost. The limit: of
the kernels we know only Linux spreads connections over all the processes that share a port.
"""

from __future__ import annotations

import errno
import socket
import time
from types import TracebackType

from dagrun.engine.errors import DagrunError

_LET_GO_SECONDS, _PAUSE_SECONDS = 1.0, 0.05
"""How long the workers of a server that was killed may take to let go of the port."""


class CannotListen(DagrunError):
    """The address is taken, or not this host's."""

    def __init__(self, address: str, problem: object) -> None:
        self.address = address
        super().__init__(
            f"cannot listen on {address}: {str(problem).rstrip('.')}. "
            "Choose another port, or 0 for a free one"
        )


class HeldPort:
    """A TCP port, bound but not listening. A context manager."""

    def __init__(self, host: str, port: int) -> None:
        """Take a port of a host, 0 for a free one. Raises `CannotListen`."""
        self._sockets: list[socket.socket] = []
        self.host, self.port = host, port
        try:
            for address in _addresses(host):
                self._hold(*address)
        except OSError as error:
            self.close()
            raise CannotListen(self.address, error.strerror or error) from error

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    def close(self) -> None:
        """Give the port up; the processes that share it keep it."""
        for held in self._sockets:
            held.close()

    def __enter__(self) -> HeldPort:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _hold(self, family: socket.AddressFamily, host: str) -> None:
        until = time.monotonic() + _LET_GO_SECONDS
        while True:
            try:
                return self._bind(family, host, after_another=False)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            try:
                return self._bind(family, host, after_another=True)
            except OSError:
                if time.monotonic() > until:
                    raise
            time.sleep(_PAUSE_SECONDS)

    def _bind(self, family: socket.AddressFamily, host: str, *, after_another: bool) -> None:
        """Bind a socket such that no other server can.

        What is left of the connections of a server before us is in the way, unless addresses may
        be used again: then of two servers at once both could, until one listens or, as here, has
        a further socket bound without that leave.
        """
        held = self._socket(family)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, after_another)
        held.bind((host, self.port))
        self.port = held.getsockname()[1]
        # Only now: asked for before, two servers would share the port without noticing.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if after_another:
            further = self._socket(family)
            further.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            further.bind((host, self.port))

    def _socket(self, family: socket.AddressFamily) -> socket.socket:
        made = socket.socket(family, socket.SOCK_STREAM)
        self._sockets.append(made)
        return made


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((family, str(place[0])) for family, *_, place in found))
