"""dagrun's own server, as `dagrun serve` starts it: `ours.py _ BUNDLE`."""

from __future__ import annotations

import sys
from pathlib import Path

from dagrun.server.serving.server import Server, serve
from dagrun.server.serving.settings import ServerSettings


def main() -> None:
    """Serve until SIGTERM, then print how many calls were answered."""
    last: list[Server] = []

    def ready(server: Server) -> None:
        last.append(server)
        print(f"ready {server.port}", flush=True)

    settings = ServerSettings(port=0, drain_seconds=0.0)
    serve([Path(sys.argv[2])], settings, report=lambda _: None, on_ready=ready)
    print(f"answered {last[0].prediction.answered}", flush=True)


if __name__ == "__main__":
    main()
