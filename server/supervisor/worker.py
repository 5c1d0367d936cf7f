"""A worker: the gRPC server of one process, told over the control channel what to serve.

Guarantee: what it answers with has been proved in this very process; it loads and proves while
the models before answer on, and keeps them when a proof fails. The end of the channel, or SIGTERM,
ends it, so it outlives no supervisor.
"""

from __future__ import annotations

import gc
import itertools
import json
import logging
import math
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from dagrun.engine.code.imports import use_sources
from dagrun.engine.errors import DagrunError, StoreError
from dagrun.engine.store.store import Store
from dagrun.server.observe import logs
from dagrun.server.observe.recorder import Recorder
from dagrun.server.serving.models import Models, NoModels, ServedModel, registered
from dagrun.server.serving.server import Server
from dagrun.server.serving.settings import ServerSettings
from dagrun.server.supervisor.channel import Channel, Document
from dagrun.server.supervisor.routes import Route
from dagrun.server.traffic.arms import Arms
from dagrun.server.traffic.shadow import Shadow
from dagrun.stages.bundle import ModelVersion, Registry, read_bundle

_LOGGER = logging.getLogger(__name__)
_FOLD_SECONDS = 0.025
"""Between two times that what was counted is added up, a few microseconds of work each time."""
_FOLDS = 10
"""For each snapshot that is sent."""


class _Proved(NamedTuple):
    """A generation that is ready: its models by route, and as a server wants them."""

    number: int
    routes: Mapping[str, Route]
    made: Mapping[str, ServedModel]
    models: Models


class Loader:
    """Makes models of routes, in this process once each."""

    def __init__(self, store: Path | None) -> None:
        self._registry = Registry(Store(store)) if store else None
        self._known: dict[str, ServedModel] = {}

    def load(self, name: str, route: Route) -> ServedModel:
        """Return the proved model of a route, the one that is served if it is the same.

        Raises what loading and proving raises.
        """
        beside = route.get("traffic")
        return (
            self._once([name, route], lambda: self._beside(name, route["model"], beside))
            if beside
            else self._model(name, route["model"])
        )

    def keep(self, routes: Mapping[str, Route]) -> None:
        """Remember the models of these routes and no others."""
        wanted = set()
        for name, route in routes.items():
            beside = route.get("traffic", {"others": {}, "shadow": None})
            others = [other["model"] for other in beside["others"].values()]
            shadow = [beside["shadow"]["model"]] if beside["shadow"] else []
            models = [[name, model] for model in (route["model"], *others, *shadow)]
            wanted |= {_identity(what) for what in ([name, route], *models)}
        left = [model for what, model in self._known.items() if what not in wanted]
        self._known = {what: model for what, model in self._known.items() if what in wanted}
        for model in left:
            if model.shadow is not None:
                model.shadow.close(0.0)

    def _beside(self, name: str, champion: Document, beside: Document) -> ServedModel:
        """Return a champion that shares its requests."""
        others = {
            arm: (self._model(name, other["model"]), other["share"])
            for arm, other in beside["others"].items()
        }
        model = self._model(name, champion)
        if shadow := beside["shadow"]:
            model = model.with_shadow(Shadow(self._model(name, shadow["model"]), shadow["share"]))
        if others:
            granted = 0 if beside["guarded"] else math.inf
            salt, label = beside["salt"], beside["label"]
            arms = Arms(model, others, salt=salt, label=label, granted=granted)
            model = model.with_arms(arms)
        return model

    def _model(self, name: str, model: Document) -> ServedModel:
        return self._once([name, model], lambda: self._made(name, model))

    def _once(self, what: object, made: Callable[[], ServedModel]) -> ServedModel:
        identity = _identity(what)
        if identity not in self._known:
            self._known[identity] = made()
        return self._known[identity]

    def _made(self, name: str, model: Document) -> ServedModel:
        if "file" in model:
            bundle = read_bundle(Path(model["file"]))
            return ServedModel(bundle.name, bundle)
        if self._registry is None:
            raise ValueError(f"{name!r} is to be loaded from a store, and none was given")
        return registered(name, ModelVersion(**model["version"]), self._registry)


class Worker:
    """One worker, between its first order and its last.

    Attributes:
        drained: whether to give callers time to go elsewhere at the end.
    """

    def __init__(self, channel: Channel, settings: ServerSettings, store: Path | None) -> None:
        self._channel, self._settings = channel, settings
        self._loader = Loader(store)
        self._server: Server | None = None
        self._orders: SimpleQueue[Document] = SimpleQueue()
        self._proved: _Proved | None = None
        self._abandoned = 0
        self.drained = False
        self._idle = Recorder()
        self._ended = threading.Event()

    def run(self, orders: Iterator[Document]) -> None:
        """Obey until the end."""
        threading.Thread(target=self._prove, name="prove", daemon=True).start()
        threading.Thread(target=self._tell, name="tell", daemon=True).start()
        for order in orders:
            if "routes" in order:
                self._orders.put(order)
            elif "switch" in order:
                self._switch(order["switch"])
            elif "abandon" in order:
                self._abandon(order["abandon"])
            elif "grant" in order:
                self._grant(order["grant"])
            elif "drain" in order:
                self.drained = True
                break
        if self._server is not None:
            if self.drained:
                self._server.drain()
            else:  # nobody is left to look after it: let the next server have the port
                self._server.stop()
        self._ended.set()
        self._send_snapshot()

    def _prove(self) -> None:
        """Load and prove what is ordered, on a thread of its own."""
        while True:
            order = self._orders.get()
            number, routes = order["generation"], order["routes"]
            made: dict[str, ServedModel] = {}
            problems = {}
            for name, route in routes.items():
                try:
                    made[name] = model = self._loader.load(name, route)
                    for one in model.answering:
                        one.prepare(self._settings.threads)
                except Exception as error:  # noqa: BLE001 - the supervisor decides what follows
                    problems[name] = _problem(error)
            try:
                models = Models(made.values())
            except NoModels as error:
                problems.setdefault("", _problem(error))
            if problems:
                self._channel.send({"failed": number, "problems": problems})
            elif number > self._abandoned:
                self._proved = _Proved(number, routes, made, models)
                report = {name: model.report() for name, model in made.items()}
                self._channel.send({"proved": number, "report": report})

    def _switch(self, number: int) -> None:
        """Serve what was proved; the first time, begin to listen."""
        proved = self._proved
        if proved is None or proved.number != number:
            raise RuntimeError(f"told to serve generation {number}, which was not proved")
        try:
            if self._server is None:
                self._server = Server(proved.models, self._settings)
                self._server.warm_up()
                # What is here now stays; looking through it for garbage took 0.2 s each time.
                gc.collect()
                gc.freeze()
                self._server.start()
            else:
                self._server.replace(proved.models.current.values())
        except DagrunError as error:
            self._channel.send({"failed": number, "problems": {"": _problem(error)}})
            return
        self._loader.keep(proved.routes)
        self._proved = None
        self._channel.send({"serving": number})

    def _grant(self, granted: Document) -> None:
        """Let arms answer so many requests in all; what is meant for an earlier step is void."""
        for name, grant in granted.items():
            model = self._server.models.current.get(name) if self._server else None
            if model and model.arms and model.arms.label == grant["label"]:
                model.arms.grant(grant["answers"])

    def _abandon(self, number: int) -> None:
        self._abandoned = number
        if self._proved is not None and self._proved.number <= number:
            self._proved = None

    def _tell(self) -> None:
        for turn in itertools.count():
            if self._ended.wait(_FOLD_SECONDS):
                return
            if turn % _FOLDS == 0:
                self._send_snapshot()
            else:
                self._recorder.fold()

    @property
    def _recorder(self) -> Recorder:
        return self._server.recorder if self._server else self._idle

    def _send_snapshot(self) -> None:
        self._channel.send({"snapshot": self._recorder.snapshot(), "arms": self._tallies()})

    def _tallies(self) -> Document:
        served = self._server.models.current if self._server else {}
        return {
            name: {model.arms.label: model.arms.tallies()}
            for name, model in served.items()
            if model.arms
        }


def _identity(what: object) -> str:
    return json.dumps(what, sort_keys=True)


def _problem(error: Exception) -> Document:
    if not isinstance(error, DagrunError | OSError):
        _LOGGER.error("a model cannot be loaded", exc_info=error)
    return {
        "kind": type(error).__name__,
        "text": str(error),
        "store": isinstance(error, StoreError),
    }


def main(arguments: list[str]) -> int:
    """Be a worker on the channel of this file descriptor."""
    channel = Channel(socket.socket(fileno=int(arguments[0])))
    # Ctrl-C reaches all processes of a terminal; what to do about it is the supervisor's business.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    orders = iter(channel)
    start = next(orders)
    for folder in start["folders"]:
        sys.path.insert(0, folder)
    use_sources()
    logs.configure(start["log"])
    store = Path(start["store"]) if start["store"] else None
    worker = Worker(channel, ServerSettings(**start["settings"]), store)

    def drain(*_: object) -> None:
        worker.drained = True
        channel.end()

    signal.signal(signal.SIGTERM, drain)
    worker.run(orders)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
