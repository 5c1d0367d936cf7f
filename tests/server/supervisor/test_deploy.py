"""examples/deploy/: every file parses, and what it names exists on a server that really runs."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tests_serve import Serving

from dagrun.server.client import Client
from dagrun.server.observe.metrics import METRICS
from dagrun.server.serving import ServerSettings
from dagrun.stages.bundle import Bundle

FOLDER = Path(__file__).parents[3] / "examples" / "deploy"
ADDED_BY_PROMETHEUS = {"instance", "pod", "namespace", "le"}
SUFFIXES = re.compile(r"_(bucket|sum|count)$")
Manifests = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def manifests() -> Manifests:
    documents = yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text("utf-8"))
    return {document["kind"]: document for document in documents}


@pytest.fixture(scope="module")
def pod(manifests: Manifests) -> dict[str, Any]:
    spec: dict[str, Any] = manifests["Deployment"]["spec"]["template"]["spec"]
    return spec


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def adapter() -> dict[str, Any]:
    document = yaml.safe_load((FOLDER / "adapter.yaml").read_text("utf-8"))
    (rule,) = document["rules"]["custom"]
    return dict(rule)


@pytest.fixture(scope="module")
def command() -> list[str]:
    """The arguments of the image's default command."""
    text = (FOLDER / "Containerfile").read_text("utf-8")
    found: list[str] = json.loads(text.rpartition("\nCMD ")[2])
    return found


@pytest.fixture
def expressions(
    rules: list[dict[str, Any]], dashboard: dict[str, Any], adapter: dict[str, Any]
) -> list[str]:
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    variables = [each["query"] for each in dashboard["templating"]["list"]]
    return [
        *(rule["expr"] for rule in rules),
        *queries,
        *variables,
        adapter["seriesQuery"],
        adapter["metricsQuery"],
    ]


@pytest.fixture
def serving(
    tmp_path: Path, bundle: Bundle, command: list[str], free_ports: tuple[int, int]
) -> Iterator[Serving]:
    """`dagrun serve` with the arguments of the image; ports and the model's place are others."""
    path = tmp_path / "served.bundle"
    path.write_bytes(bundle.to_bytes())
    ports = dict(zip(("8500", "8501"), map(str, free_ports), strict=True))
    replaced = {"/models/served.bundle": str(path), "10": "0.1", **ports}
    with Serving(tmp_path, *(replaced.get(word, word) for word in command)) as running:
        yield running


@pytest.fixture
def free_ports() -> tuple[int, int]:
    sockets = [socket.create_server(("0.0.0.0", 0)) for _ in range(2)]
    numbers = tuple(each.getsockname()[1] for each in sockets)
    for each in sockets:
        each.close()
    return numbers  # type: ignore[return-value]


def metrics_in(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each metric of a query with the labels that are selected from it."""
    for name, selector in re.findall(r"\b(dagrun_\w+)(?:\{([^}]*)\})?", expression):
        yield SUFFIXES.sub("", name), set(re.findall(r"(\w+)(?:=|!=|=~)\"", selector or ""))


def test_every_metric_and_label_is_one_of_a_server_that_runs(
    serving: Serving,
    free_ports: tuple[int, int],
    pod: dict[str, Any],
    manifests: Manifests,
    expressions: list[str],
    make_row: Callable[..., dict[str, object]],
) -> None:
    with Client(f"127.0.0.1:{free_ports[0]}") as client:
        client.predict("flights", [make_row()])
        assert client.healthy()
    (container,) = pod["containers"]
    annotations = manifests["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    paths = [container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe")]
    with httpx.Client(base_url=f"http://127.0.0.1:{free_ports[1]}", timeout=20) as browser:
        assert [browser.get(path).status_code for path in paths] == [200, 200]
        counted = 0.0
        while not counted:
            text = browser.get(annotations["prometheus.io/path"]).text
            families = {each.name: each for each in text_string_to_metric_families(text)}
            # The first snapshot after the call may be a quarter of a second away.
            if requests := families.get("dagrun_requests"):
                counted = sum(sample.value for sample in requests.samples)
    exposed = {
        f"{name}_total" if family.type == "counter" else name: family
        for name, family in families.items()
    }
    for expression in expressions:
        for name, labels in metrics_in(expression):
            assert name in METRICS, (name, expression)
            assert labels <= {*METRICS[name].labels, *ADDED_BY_PROMETHEUS}, expression
            # These appear once a row was computed again.
            if not name.startswith("dagrun_rechecked"):
                assert exposed[name].samples, name
    assert serving.end() == 0


def test_queries_group_by_labels_that_their_metrics_have(expressions: list[str]) -> None:
    for expression in expressions:
        known = {
            label for name, _ in metrics_in(expression) for label in METRICS[name].labels
        } | ADDED_BY_PROMETHEUS
        for group in re.findall(r"by \(([\w, ]+)\)", expression):
            assert {label.strip() for label in group.split(",")} <= known, expression
        for opening, closing in ("()", "{}", "[]"):
            assert expression.count(opening) == expression.count(closing), expression


def test_alerts_say_what_comes_next(rules: list[dict[str, Any]]) -> None:
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 6
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["next"]
        known = {label for name, _ in metrics_in(rule["expr"]) for label in METRICS[name].labels}
        told = " ".join(rule["annotations"].values())
        assert set(re.findall(r"\$labels\.(\w+)", told)) <= known | ADDED_BY_PROMETHEUS


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_prometheus_takes_the_rules() -> None:
    subprocess.run(["promtool", "check", "rules", FOLDER / "alerts.yaml"], check=True)


def test_the_dashboard_is_whole(dashboard: dict[str, Any]) -> None:
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) >= 1
    variables = {each["name"] for each in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(dashboard)))
    assert used == variables


def test_image_and_manifests_agree(
    manifests: Manifests, pod: dict[str, Any], command: list[str], adapter: dict[str, Any]
) -> None:
    (container,) = pod["containers"]
    model, *options = command
    joined = re.sub(r"(--[\w-]+) (?!--)", r"\1=", " ".join(options)).split()
    assert container["args"] == [model, *joined]
    pairs = dict(option.split("=") for option in joined if "=" in option)
    ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
    assert ports == {"grpc": pairs["--port"], "http": pairs["--http-port"]}
    text = (FOLDER / "Containerfile").read_text("utf-8")
    assert f"EXPOSE {ports['grpc']} {ports['http']}" in text
    assert f"http://127.0.0.1:{ports['http']}/ready" in text
    assert re.search(r"^USER \d+", text, re.M)
    assert str(container["readinessProbe"]["grpc"]["port"]) == ports["grpc"]
    labels = manifests["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for selector in (
        manifests["Service"]["spec"]["selector"],
        manifests["Deployment"]["spec"]["selector"]["matchLabels"],
        manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector == labels
    assert {port["targetPort"] for port in manifests["Service"]["spec"]["ports"]} == set(ports)
    scaler = manifests["HorizontalPodAutoscaler"]["spec"]
    target = manifests[scaler["scaleTargetRef"]["kind"]]
    assert target["metadata"]["name"] == scaler["scaleTargetRef"]["name"]
    (metric,) = scaler["metrics"]
    assert metric["pods"]["metric"]["name"] == adapter["name"]["as"]
    drain = float(pairs["--drain"]) + ServerSettings().grace_seconds
    assert pod["terminationGracePeriodSeconds"] > drain
    mounted = {each["name"] for each in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
