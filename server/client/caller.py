"""What `Client` and `AsyncClient` share: settings, connections, budget, names of calls.

Guarantee: no two calls of all clients of a host have one request id. A client that made its
connections before a fork raises `ClientForked` in the child; one that had not called yet works.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator, Sequence
from typing import Any

from dagrun.server.client.channels import Bearer, make_lanes
from dagrun.server.client.conduct import Budget, Outgoing, Step, conduct
from dagrun.server.client.errors import ClientClosed, ClientForked
from dagrun.server.client.exchange import Exchange, Result
from dagrun.server.client.lanes import Lanes
from dagrun.server.client.settings import ClientSettings

_FORKS = itertools.count(1)
_process = 0


def _count_fork() -> None:
    global _process
    _process = next(_FORKS)


os.register_at_fork(after_in_child=_count_fork)


class Caller:
    """Makes the steps of calls; whoever derives from it carries them out.

    Attributes:
        target: what the client was made for: addresses, with commas between.
        settings: how it calls.
    """

    def __init__(
        self,
        target: str | Sequence[str],
        settings: ClientSettings | None,
        timeout: float | None,
        *,
        insecure: Any,
        secure: Any,
    ) -> None:
        self.settings = settings or ClientSettings()
        self.timeout = self.settings.timeout if timeout is None else timeout
        self._lanes = Lanes(make_lanes(target, self.settings, insecure=insecure, secure=secure))
        self.target = ",".join(dict.fromkeys(lane.target for lane in self._lanes))
        self._bearer = Bearer(self.settings)
        self._budget = Budget(self.settings.retry_burst, self.settings.retry_share)
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._process = _process
        self._prefix, self._calls = os.urandom(6).hex(), itertools.count(1)

    def _outgoing(
        self, made: Exchange[Result], timeout: float | None, patience: float | None
    ) -> Outgoing:
        """Return a call with a name of its own. Raises `ClientClosed` and `ClientForked`."""
        if self._closed:
            raise ClientClosed
        if self._process != _process:
            if any(lane.channel for lane in self._lanes):
                raise ClientForked
            self._begin()
        request_id = f"{self._prefix}-{next(self._calls)}"
        return Outgoing(
            made.path,
            made.data if made.name is None else made.name(made.data, request_id),
            (("x-request-id", request_id), *self._bearer.header()),
            request_id,
            self.timeout if timeout is None else timeout,
            patience,
        )

    def _steps(self, call: Outgoing) -> Generator[Step, Any, bytes]:
        return conduct(call, self._lanes, self.settings, self._budget)
