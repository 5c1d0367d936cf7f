"""Before a server is ready, every thread has answered once, and nobody sees that it has."""

from __future__ import annotations

from pathlib import Path

from dagrun.server.serving import Models, ServedModel, Server, ServerSettings
from dagrun.stages.bundle import Bundle


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
