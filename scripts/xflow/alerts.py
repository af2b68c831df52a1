"""Tell people what happened. A failing alert fails nothing: it is logged, and the run goes on as it would have."""

import logging
from collections.abc import Mapping

from xflow.adapters.alerts import AppriseNotifier, split
from xflow.alert_ports import Notifier
from xflow.domain.alert import Alert, AlertEvent, pages
from xflow.pipeline import AnyPipeline
from xflow.pipeline_base import AlertPolicy
from xflow.settings import Settings

log = logging.getLogger(__name__)


def tell(
    settings: Settings,
    pipeline: AnyPipeline,
    event: AlertEvent,
    reason: str,
    links: Mapping[str, str] | None = None,
) -> bool:
    """Tell people of an event from the command line, through the addresses of ``XFLOW_ALERTS``.

    Parameters
    ----------
    links
        Addresses to look at, by what they show; see `xflow.domain.alert.pages`.

    Returns
    -------
    bool
        Every address took it. Never raises.
    """
    shown = pages(links or {}, settings.mlflow_uri)
    alert = Alert(event, pipeline.name, reason, shown, settings.environment)
    return send(AppriseNotifier(split(settings.alerts)), pipeline.alerts, alert) if settings.alerts else False


def send(notifier: Notifier, policy: AlertPolicy, alert: Alert) -> bool:
    """Send an alert if the policy wants its event; return whether every address took it. Never raises."""
    if alert.event not in policy.events:
        return False
    try:
        outcomes = notifier.notify(alert)
    except Exception as error:  # noqa: BLE001  # whatever it is, the run goes on; its text may hold an address
        log.warning("alert '%s' was not sent: %s", alert.title, type(error).__name__)
        return False
    for address, problem in outcomes.items():
        if problem:
            log.warning("alert '%s' did not reach %s: %s", alert.title, address, problem)
    taken = sum(not problem for problem in outcomes.values())
    log.info("alert '%s' reached %d of %d addresses", alert.title, taken, len(outcomes))
    return taken == len(outcomes)
