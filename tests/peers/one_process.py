"""Serves a bundle and calls it with tritonclient, in one process with both kinds of messages.

Run by the tests with dagrun's own Python: SITE_PACKAGES BUNDLE COLUMNS_FILE ORDER. What of
tritonclient's environment is here too, is taken from here.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path

THEIRS, OURS = "tritonclient.grpc", "dagrun.server.serving"


def main(site: str, bundle: str, path: str, order: str) -> None:
    sys.path += [site, str(Path(__file__).parent)]
    warnings.simplefilter("ignore")  # its code was generated for an older protobuf
    names = (THEIRS, OURS) if order == "theirs first" else (OURS, THEIRS)
    imported = {name: importlib.import_module(name) for name in names}
    serving = imported[OURS]
    calls = importlib.import_module("tritonclient_calls")
    columns = json.loads(Path(path).read_text("utf-8"))
    models = serving.Models([serving.load(Path(bundle))])
    with serving.Server(models, serving.ServerSettings(port=0)) as server:
        client = imported[THEIRS].InferenceServerClient(server.address)
        result = client.infer("flights", calls.inputs(columns, "f8", "numbers", False))
        print(json.dumps(calls.answers(result)))
        client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
