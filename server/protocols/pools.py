"""Several descriptor pools as one, for reflection: messages of our own and those kept apart.

Guarantee: what a pool named first knows hides the same name in a later one, so that reflection
shows what this server speaks, whatever else the process has imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor_pool import DescriptorPool


class Pools:
    """What reflection asks a pool for, of the first pool that knows it."""

    def __init__(self, *pools: DescriptorPool) -> None:
        self._pools = pools

    def FindFileByName(self, name: str) -> Any:  # noqa: N802 - protobuf's name
        """Return a file. Raises `KeyError`."""
        return self._first(lambda pool: pool.FindFileByName(name))

    def FindFileContainingSymbol(self, symbol: str) -> Any:  # noqa: N802
        """Return the file that has a service, message or method. Raises `KeyError`."""
        return self._first(lambda pool: pool.FindFileContainingSymbol(symbol))

    def FindMessageTypeByName(self, name: str) -> Any:  # noqa: N802
        """Return a message. Raises `KeyError`."""
        return self._first(lambda pool: pool.FindMessageTypeByName(name))

    def FindExtensionByNumber(self, message: Any, number: int) -> Any:  # noqa: N802
        """Return an extension. Raises `KeyError`."""
        return self._first(lambda pool: pool.FindExtensionByNumber(message, number))

    def FindAllExtensions(self, message: Any) -> list[Any]:  # noqa: N802
        """Return all extensions of a message."""
        return list(message.file.pool.FindAllExtensions(message))

    def _first(self, find: Callable[[Any], Any]) -> Any:
        for pool in self._pools[:-1]:
            try:
                return find(pool)
            except KeyError:
                continue
        return find(self._pools[-1])
