"""Runs told to an MLflow tracking server, over its REST API.

Each run becomes one MLflow run, in the experiment that is named like its pipeline: params, metrics,
the data that sources read as dataset inputs, the git commit and the code version of each stage as
tags. Guarantee: a run that is told again is found by its tag `dagrun.run_id` and completed, so
nothing is there twice. The limits: two exports of one run at the very same moment do not see each
other; a metric that is not finite is left out; a long value is cut at what the server takes.

Written for API 2.0 of MLflow (https://mlflow.org/docs/latest/rest-api.html).
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dagrun.engine.errors import DagrunError
from dagrun.engine.extras import MissingExtra
from dagrun.engine.history.account import Account

if TYPE_CHECKING:
    import httpx

TOKEN = "MLFLOW_TRACKING_TOKEN"
"""Environment variable with a bearer token, as MLflow's own client reads it."""
_API = "/api/2.0/mlflow"
_STATUS = {"failed": "FAILED", "interrupted": "KILLED"}
_METRICS, _PARAMS, _TAGS = 1000, 100, 100
"""How many of each one request takes."""
_VALUE, _TAG, _DIGEST = 6000, 5000, 36
"""Characters that the server takes."""
_SECONDS = 30.0


class TrackerFailed(DagrunError):
    """An MLflow server could not be reached, or refused what it was told."""

    def __init__(self, url: str, asked: str, answer: str) -> None:
        self.url, self.asked, self.answer = url, asked, answer
        super().__init__(
            f"MLflow at {url} did not take {asked}: {answer}. What it took so far stays there; "
            "the same command completes it"
        )


class Tracker:
    """An MLflow tracking server; a context manager."""

    def __init__(self, url: str) -> None:
        try:
            import httpx
        except ModuleNotFoundError as error:
            raise MissingExtra("httpx", "http", "export to MLflow") from error
        self._url = url.rstrip("/")
        token = os.environ.get(TOKEN)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client: httpx.Client = httpx.Client(timeout=_SECONDS, headers=headers)

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def tell(self, account: Account, experiment: str | None = None) -> tuple[str, bool]:
        """Tell a run; return its id in MLflow, and whether it is new there.

        Raises `TrackerFailed`.
        """
        run = account.run
        name = experiment or str(run.header.get("pipeline", "dagrun"))
        place = self._experiment(name)
        found = self._find(place, run.run_id)
        started = round(1000 * float(run.header.get("started", 0.0)))
        ended = started + round(1000 * (run.seconds or 0.0))
        tags = _tags(account)
        told = found or self._create(place, run.run_id, started, tags)
        self._log(told, "params", _PARAMS, _params(account))
        self._log(told, "metrics", _METRICS, _metrics(account, ended))
        self._log(told, "tags", _TAGS, tags)
        if datasets := _datasets(account):
            self._post("runs/log-inputs", {"run_id": told, "datasets": datasets})
        status = _STATUS.get(run.status, "FINISHED")
        self._post("runs/update", {"run_id": told, "status": status, "end_time": ended})
        return told, found is None

    def _experiment(self, name: str) -> str:
        found = self._ask("GET", "experiments/get-by-name", params={"experiment_name": name})
        if found is not None:
            return str(found["experiment"]["experiment_id"])
        return str(self._post("experiments/create", {"name": name})["experiment_id"])

    def _find(self, experiment: str, run_id: str) -> str | None:
        wanted = {
            "experiment_ids": [experiment],
            "filter": f"tags.`dagrun.run_id` = '{run_id}'",
            "max_results": 1,
        }
        found = self._post("runs/search", wanted).get("runs", [])
        return str(found[0]["info"]["run_id"]) if found else None

    def _create(self, experiment: str, run_id: str, started: int, tags: list[Any]) -> str:
        wanted = {
            "experiment_id": experiment,
            "run_name": run_id,
            "start_time": started,
            "tags": tags[:_TAGS],  # that of the run's id is first: it is there from the beginning
        }
        return str(self._post("runs/create", wanted)["run"]["info"]["run_id"])

    def _log(self, run: str, kind: str, most: int, items: Iterable[Any]) -> None:
        remaining = iter(items)
        while part := list(itertools.islice(remaining, most)):
            self._post("runs/log-batch", {"run_id": run, kind: part})

    def _post(self, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        found = self._ask("POST", method, json=body)
        if found is None:
            raise TrackerFailed(self._url, method, "there is no such thing (404)")
        return found

    def _ask(self, verb: str, method: str, **content: Any) -> dict[str, Any] | None:
        """Return what the server answers, None for what does not exist there."""
        import httpx

        try:
            answer = self._client.request(verb, f"{self._url}{_API}/{method}", **content)
        except httpx.HTTPError as error:
            raise TrackerFailed(self._url, method, str(error) or type(error).__name__) from error
        try:
            found: dict[str, Any] = answer.json()
        except ValueError:
            text = answer.text.strip()[:200]
            raise TrackerFailed(self._url, method, f"{answer.status_code} {text!r}") from None
        if answer.status_code == httpx.codes.OK:
            return found
        if found.get("error_code") == "RESOURCE_DOES_NOT_EXIST":
            return None
        said = f"{answer.status_code} {found.get('message', found)}"
        raise TrackerFailed(self._url, method, said)


def _params(account: Account) -> list[dict[str, str]]:
    return [{"key": name, "value": _text(value)[:_VALUE]} for name, value in account.params.items()]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _metrics(account: Account, at: int) -> list[dict[str, Any]]:
    return [
        {"key": name, "value": value, "timestamp": at, "step": 0}
        for name, value in account.metrics.items()
        if math.isfinite(value)
    ]


def _tags(account: Account) -> list[dict[str, str]]:
    run, header = account.run, account.run.header
    tags = {
        "dagrun.run_id": run.run_id,
        "dagrun.status": run.status,
        "dagrun.seed": str(header.get("seed", 0)),
        "mlflow.source.name": str(header.get("file", "")),
        "mlflow.source.type": "LOCAL",
    }
    if commit := header.get("commit"):
        tags |= {"mlflow.source.git.commit": commit, "dagrun.dirty": str(bool(header.get("dirty")))}
    tags |= {f"dagrun.code.{stage}": digest for stage, digest in account.code.items()}
    tags |= {f"dagrun.library.{name}": version for name, version in account.libraries.items()}
    return [{"key": name, "value": value[:_TAG]} for name, value in tags.items()]


def _datasets(account: Account) -> list[dict[str, Any]]:
    """Return what sources read as MLflow datasets, whose digests hold 36 characters."""
    return [
        {
            "tags": [{"key": "mlflow.data.context", "value": f"{stage}.{use.param}"}],
            "dataset": {
                "name": name,
                "digest": digest[:_DIGEST],
                "source_type": use.kind,
                "source": json.dumps({"name": name, "digest": digest}),
            },
        }
        for stage, step in account.steps.items()
        for use in step.sources
        for name, digest in use.files.items()
    ]
