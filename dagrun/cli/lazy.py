"""Commands that are imported when they are used, so that help and errors come at once."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from dagrun.engine.errors import listing, nearest


def carry_out(action: str, options: Mapping[str, Any]) -> int:
    """Import `"module:function"`, call it with a command's options, and return its exit code."""
    return int(_import(action)(**options))


def _import(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


class NamingGroup(click.Group):
    """A group that keeps its commands' order and names the nearest one to an unknown name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help when nothing is given."""
        if not args:
            click.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name. Raises `click.UsageError`."""
        known = self.list_commands(ctx)
        if args[0] not in known:
            raise click.UsageError(
                f"no command named {args[0]!r}.{nearest(args[0], known)}\n"
                f"       commands: {listing(known)}",
                ctx,
            )
        return super().resolve_command(ctx, args)


class LazyGroup(NamingGroup):
    """A group whose commands are `"module:attribute"` names, imported when they are used."""

    def __init__(self, *args: Any, lazy: Mapping[str, str], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        place = self._lazy.get(cmd_name)
        return _import(place) if place else None
