"""Where MLflow shows the drift report of a prediction. The board is whole without it."""

import logging
import time
from typing import Any

import requests

log = logging.getLogger(__name__)

SECONDS = 2
"""That MLflow has for an answer: a page waits for it."""
PAUSE = 60
"""Seconds for which MLflow is not asked after it failed to answer."""
MOST = 1_000


class DriftPages:
    """MLflow runs by run key; what was found once is remembered.

    Parameters
    ----------
    uri, username, password
        The tracking server, and a user who may read it.
    """

    def __init__(self, uri: str, username: str, password: str) -> None:
        self._uri, self._user = uri.rstrip("/"), (username, password)
        self._known: dict[str, tuple[str, str]] = {}
        self._not_before = 0.0

    def run(self, pipeline: str, run_key: str) -> tuple[str, str] | None:
        """Return the experiment and the MLflow run of a run; None when it has none, or MLflow does not answer."""
        if run_key not in self._known and time.monotonic() >= self._not_before:
            try:
                found = self._search(pipeline, run_key)
            except (requests.RequestException, ValueError, KeyError) as error:
                log.warning("links to drift reports: MLflow at %s: %s", self._uri, type(error).__name__)
                found, self._not_before = None, time.monotonic() + PAUSE
            if found is not None:
                if len(self._known) >= MOST:
                    del self._known[next(iter(self._known))]
                self._known[run_key] = found
        return self._known.get(run_key)

    def _search(self, pipeline: str, run_key: str) -> tuple[str, str] | None:
        asked = {"experiment_name": pipeline}
        answer = requests.get(f"{self._api}/experiments/get-by-name", params=asked, auth=self._user, timeout=SECONDS)
        if answer.status_code == requests.codes.not_found:
            return None
        experiment = str(_json(answer)["experiment"]["experiment_id"])
        wanted = {
            "experiment_ids": [experiment],
            "filter": f"tags.`xflow.run_key` = '{run_key}'",  # a run key has letters, digits and _ . - / alone
            "max_results": 1,
        }
        answer = requests.post(f"{self._api}/runs/search", json=wanted, auth=self._user, timeout=SECONDS)
        runs = _json(answer).get("runs", [])
        return (experiment, str(runs[0]["info"]["run_id"])) if runs else None

    @property
    def _api(self) -> str:
        return f"{self._uri}/api/2.0/mlflow"


def _json(answer: requests.Response) -> dict[str, Any]:
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found
