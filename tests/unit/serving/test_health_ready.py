"""Whether requests should be sent to a service."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Response

from xflow.serving.deployment_report import Attempt, shortly
from xflow.serving.health import ready
from xflow.serving.served import ServedModels


@pytest.mark.parametrize(
    ("waiting", "refused", "code", "status"),
    [
        ([], {}, 200, "ready"),
        (["demo"], {}, 503, "loading"),
        ([], {"demo": "version 2 refused"}, 503, "refused"),
        (["other"], {"demo": "version 2 refused"}, 503, "loading"),
    ],
)
def test_a_service_is_ready_when_everything_that_should_answer_does(
    waiting: list[str], refused: dict[str, str], code: int, status: str
) -> None:
    deployments = SimpleNamespace(waiting_for=lambda: waiting, refused=lambda: refused)
    service: Any = SimpleNamespace(deployments=deployments, models=ServedModels())
    response = Response()
    said = asyncio.run(ready(service, response))
    assert (response.status_code, said.status, said.waiting_for, said.refused) == (code, status, waiting, refused)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (
            "demo version 2: 1 of 9 golden rows have another cohort, as row 8: a",
            ": 1 of 9 golden rows have another cohort",
        ),
        ("demo version 2 cannot be loaded: FileNotFoundError: /srv/secret", ": cannot be loaded"),
        ("MLflow at http://mlflow:5000 does not answer", ""),
    ],
)
def test_strangers_are_told_a_reason_without_its_particulars(reason: str, said: str) -> None:
    last = Attempt(version="2", outcome="refused", reason=reason, at="2026-11-21T07:00:00Z")
    assert shortly("demo", last) == f"version 2 refused{said}"
    assert shortly("demo", None) == "was not tried"
