"""A server in a process of its own: `serve_bundle.py BUNDLE SETTINGS`; it ends with its stdin."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dagrun.server.serving import Models, Server, ServerSettings, load

if __name__ == "__main__":
    settings = ServerSettings(port=0, **json.loads(sys.argv[2]))
    with Server(Models([load(Path(sys.argv[1]))]), settings) as server:
        print(server.port, flush=True)
        sys.stdin.read()
        server.stop(0)
