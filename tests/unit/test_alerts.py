"""Alerts: what they say, that one address holds up no other, and that nothing of an address is shown."""

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from webhook_server import Manner, WebHook
from xflow.adapters.alerts import AppriseNotifier, secrets, split
from xflow.alerts import send
from xflow.cli_promotion import tell_moved
from xflow.domain.alert import LONGEST, Alert, pages
from xflow.pipeline import load
from xflow.pipeline_base import AlertPolicy
from xflow.settings import ENVIRONMENT, REPOSITORY, Settings

ALERT = Alert("drift", "tourism_monthly", "level of 12 of 366 series", {"report": "s3://xflow/reports/1.html"})
SECRET = "T0KEN-of-a-webhook"


@pytest.fixture
def hook() -> Iterator[Callable[[Manner], WebHook]]:
    with ExitStack() as stack:
        yield lambda manner="take": stack.enter_context(WebHook(manner).running())


def refusing() -> str:
    """Return an address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"json://127.0.0.1:{taken.getsockname()[1]}/{SECRET}"


def test_a_web_hook_is_told_what_why_and_where_to_look(hook: Callable[..., WebHook]) -> None:
    server = hook()
    assert send(AppriseNotifier([server.address("/hooks/" + SECRET)]), AlertPolicy(), ALERT)
    ((path, body),) = server.told
    assert path == "/hooks/" + SECRET
    assert (body["title"], body["type"]) == ("tourism_monthly: drift", "warning")
    assert body["message"] == "level of 12 of 366 series\nreport: s3://xflow/reports/1.html"


def test_addresses_that_fail_hold_up_no_other_and_raise_nothing(
    hook: Callable[..., WebHook], caplog: pytest.LogCaptureFixture
) -> None:
    good = hook()
    bad = [hook(manner).address(f"/{SECRET}?token={SECRET}") for manner in ("refuse", "hang", "drip")]
    addresses = [*bad, refusing(), f"no-such-service://{SECRET}", good.address()]
    caplog.set_level(logging.DEBUG)
    assert not send(AppriseNotifier(addresses, seconds=0.5), AlertPolicy(), ALERT)
    assert len(good.told) == 1
    problems = [record.getMessage() for record in caplog.records if "did not reach" in record.getMessage()]
    endings = [problem.rpartition(": ")[2] for problem in problems]
    late, refused = "no answer in time", "it did not take the alert"
    assert endings == [refused, late, late, refused, "no address that Apprise knows"]
    assert "reached 1 of 6 addresses" in caplog.text
    assert SECRET not in caplog.text


def test_only_the_events_of_the_policy_are_sent(hook: Callable[..., WebHook]) -> None:
    server = hook()
    notifier = AppriseNotifier([server.address()])
    assert not send(notifier, AlertPolicy(), Alert("success", "tourism_monthly", "done"))
    assert not send(notifier, AlertPolicy(events=("success",)), ALERT)
    assert server.told == []
    assert send(notifier, AlertPolicy(events=("success",)), Alert("success", "tourism_monthly", "done"))


def test_a_notifier_that_breaks_is_logged_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def notify(self, alert: Alert) -> dict[str, str]:
            raise RuntimeError(SECRET)

    assert not send(Broken(), AlertPolicy(), ALERT)
    assert "was not sent: RuntimeError" in caplog.text
    assert SECRET not in caplog.text


def test_the_command_line_tells_of_what_it_moved_and_of_nothing_else(hook: Callable[..., WebHook]) -> None:
    server = hook()
    pipeline = load(REPOSITORY / "dags" / "pipelines" / "tourism_monthly.yaml")
    variables = dict.fromkeys(ENVIRONMENT.values(), "x") | {"XFLOW_ALERTS": server.address()}
    variables |= {"MLFLOW_TRACKING_URI": "http://mlflow.example", "XFLOW_ENV": "staging"}
    run = SimpleNamespace(settings=Settings.from_env(variables), pipeline=pipeline)
    moved = {"name": "tourism_monthly", "before": "7", "after": "6", "reason": "it sold nothing", "moved": True}
    tell_moved(run, "rollback", [moved])
    tell_moved(run, "rollback", [{**moved, "moved": False}])
    ((_, body),) = server.told
    assert body["title"] == "tourism_monthly (staging): rollback"
    assert body["message"].endswith(
        ": tourism_monthly version 6 serves in place of version 7: it sold nothing\n"
        "tourism_monthly: http://mlflow.example/#/models/tourism_monthly/versions/6?workflowType=machine_learning"
    )
    assert server.address() not in repr(run.settings)


def test_addresses_are_separated_by_commas_blanks_or_lines() -> None:
    mail = "mailto://me:secret@mail.example?to=a@b.example,c@d.example"
    assert split(f" json://one/x, {mail}\nslack://a/b/c,") == ("json://one/x", mail, "slack://a/b/c")
    assert split("  ") == ()


def test_every_part_that_may_be_a_token_is_a_secret() -> None:
    found = secrets("tgram://123456789:AAEhBOweik6ad9r_QXMENQjc/chat?format=html")
    assert {"123456789", "AAEhBOweik6ad9r_QXMENQjc"} < set(found)
    assert "hooks.example.org" not in secrets("jsons://hooks.example.org/" + SECRET)
    assert SECRET in secrets("jsons://hooks.example.org/" + SECRET)


def test_links_lead_to_the_pages_of_mlflow() -> None:
    links = {"model": "models:/tourism_monthly/7", "champion": "models:/tourism_monthly@champion", "mlflow_run": "ab12"}
    assert pages({**links, "report": "s3://xflow/r.html", "none": ""}, "http://mlflow:5000/") == {
        "model": "http://mlflow:5000/#/models/tourism_monthly/versions/7?workflowType=machine_learning",
        "champion": "http://mlflow:5000/#/models/tourism_monthly?workflowType=machine_learning",
        "mlflow_run": "http://mlflow:5000/#/runs/ab12?workflowType=machine_learning",
        "report": "s3://xflow/r.html",
    }


def test_a_long_reason_is_cut_and_the_links_stay() -> None:
    body = Alert("failure", "p", "x" * 9000, {"task": "http://airflow/1"}).body
    assert len(body) < LONGEST + 50
    assert body.endswith("...\ntask: http://airflow/1")


def test_the_environment_shows_unless_it_is_production() -> None:
    assert Alert("failure", "p", "x").title == "p: the run failed"
    assert Alert("failure", "p", "x", environment="staging").title == "p (staging): the run failed"
