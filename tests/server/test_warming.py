"""Before a server is ready, every thread has answered once, and nobody sees that it has."""

from __future__ import annotations

import threading
from pathlib import Path

from dagrun.server.serving import Models, ServedModel, Server, ServerSettings
from dagrun.stages.bundle import Bundle, RowScorer


def test_every_thread_has_its_scorer_and_nothing_is_counted(bundle: Bundle, tmp_path: Path) -> None:
    made = []

    class Watched(ServedModel):
        @property
        def scorer(self):  # type: ignore[no-untyped-def]
            found = super().scorer
            if id(found) not in made:
                made.append(id(found))
            return found

    served = Watched("flights", bundle)
    settings = ServerSettings(port=0, threads=5, prediction_log=str(tmp_path))
    server = Server(Models([served]), settings)
    server.warm_up()
    assert len(made) == 5
    with server:
        assert server.prediction.answered == 0
    assert server.log is not None
    assert server.log.counts.written == 0


def test_a_model_brings_a_scorer_for_each_thread_and_makes_more_when_asked(bundle: Bundle) -> None:
    model = ServedModel("flights", bundle)
    for _ in range(2):  # as when it is proved again along with another change
        model.prepare(3)
    prepared = {id(scorer) for scorer in model._spare}
    found: list[RowScorer] = []

    def ask() -> None:
        found.append(model.scorer)
        assert model.scorer is found[-1]

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
        thread.join()
    assert len(prepared) == 3
    assert len({id(scorer) for scorer in found}) == 4
    assert prepared < {id(scorer) for scorer in found}
