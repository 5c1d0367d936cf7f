"""The HTTP port of a server that really serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from dagrun.server.client import Client
from dagrun.server.observe.metrics import METRICS
from dagrun.server.observe.pages import Standing, pages
from dagrun.server.observe.port import HttpPort
from dagrun.server.observe.totals import merge
from dagrun.server.serving import Server
from dagrun.server.serving.listening import CannotListen

Start = Callable[..., Server]


class Site:
    """A server with its HTTP port, and a browser for it."""

    def __init__(self, server: Server, port: HttpPort, browser: httpx.Client) -> None:
        self.server, self.port, self.browser = server, port, browser
        self.standing = Standing(why_not="", address=server.address)


@pytest.fixture
def site(start: Start) -> Iterator[Site]:
    server = start()

    async def beside(request: object) -> PlainTextResponse:
        return PlainTextResponse("mounted")

    with HttpPort("127.0.0.1", 0) as port, httpx.Client(timeout=20) as browser:
        site = Site(server, port, browser)
        browser.base_url = httpx.URL(f"http://{port.address}")
        totals = lambda: merge([server.recorder.snapshot()])  # noqa: E731
        port.serve(pages(totals, lambda: site.standing, [Route("/v2", beside)]))
        yield site


def test_prometheus_reads_what_is_declared(site: Site, make_row: Callable[..., object]) -> None:
    with Client(site.server.address, timeout=20) as client:
        client.predict("flights", [make_row()])
    answer = site.browser.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    named = {
        name if METRICS[name].kind != "counter" else name.removesuffix("_total") for name in METRICS
    }
    assert families.keys() <= named
    assert families["dagrun_requests"].samples[0].value == 1
    assert families["dagrun_ready"].samples[0].value == 1
    phases = {
        sample.labels["phase"]
        for sample in families["dagrun_phase_seconds"].samples
        if sample.name.endswith("_count") and sample.value == 1
    }
    assert phases == {"queue", "parse", "features", "model", "serialise"}


def test_probes_say_whether_to_send_requests(site: Site) -> None:
    assert site.browser.get("/live").text == "live\n"
    ready = site.browser.get("/ready")
    assert (ready.status_code, ready.json()) == (200, {"ready": True})
    site.standing = replace(site.standing, why_not="it is draining")
    ready = site.browser.get("/ready")
    assert (ready.status_code, ready.json()) == (503, {"ready": False, "why": "it is draining"})
    assert site.browser.get("/live").status_code == 200
    assert "dagrun_ready 0.0" in site.browser.get("/metrics").text


def test_the_index_names_what_is_served_and_escapes_it(site: Site) -> None:
    site.standing = replace(site.standing, why_not="<b>", workers=2)
    page = site.browser.get("/").text
    assert site.server.models.current["flights"].bundle.digest in page
    assert "Not ready: &lt;b&gt;." in page
    assert "2 worker processes" in page
    assert 'href="/metrics"' in page


def test_other_parts_have_their_place(site: Site) -> None:
    assert site.browser.get("/v2").text == "mounted"
    assert site.browser.get("/nothing").status_code == 404
    assert site.browser.post("/metrics").status_code == 405


def test_a_taken_port_is_told(site: Site) -> None:
    number = int(site.port.address.rpartition(":")[2])
    with pytest.raises(CannotListen, match="Choose another port"):
        HttpPort("127.0.0.1", number)
