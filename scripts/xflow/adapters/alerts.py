"""Alerts through Apprise: Slack, Telegram, e-mail, webhooks and a hundred others, each by one address."""

import logging
import re
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from xflow.domain.alert import Alert

if TYPE_CHECKING:
    from apprise import NotifyBase

SECONDS = 15.0
"""How long an alert may take in all; what has not answered by then is left behind."""


def split(text: str) -> tuple[str, ...]:
    """Return the addresses in a text that commas, blanks or line ends separate; an address may hold commas itself."""
    return tuple(found for found in re.split(r"[\s,]+(?=[a-z0-9+-]+://)", text.strip(" ,\n\t")) if found)


def secrets(address: str) -> list[str]:
    """Return the address and every part of it that may be a token, for whoever masks them in logs.

    A part counts from eight characters on, unless it is a name of a host.
    """
    parts = re.split(r"[/?&=:@,]+", address.partition("://")[2])
    return [
        address,
        *(part for part in parts if len(part) >= 8 and not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", part)),
    ]


class _Mask(logging.Filter):
    """Keeps addresses out of what Apprise logs, also of what a thread that was left behind logs later."""

    def __init__(self) -> None:
        super().__init__()
        self._hidden: set[str] = set()

    def hide(self, addresses: Sequence[str]) -> None:
        """Hide these addresses and their parts from now on."""
        self._hidden.update(part for address in addresses for part in secrets(address))
        logging.getLogger("apprise").addFilter(self)
        # At the level of debug, Apprise logs what it sends, and urllib3 the paths of webhooks, which are secrets.
        for name in ("apprise", "urllib3"):
            logging.getLogger(name).setLevel(logging.WARNING)

    def filter(self, record: logging.LogRecord) -> bool:
        """Put stars in the place of what is hidden."""
        said = record.getMessage()
        for part in sorted(self._hidden, key=len, reverse=True):
            said = said.replace(part, "***")
        record.msg, record.args = said, ()
        return True


_MASK = _Mask()


class AppriseNotifier:
    """Sends alerts to addresses of Apprise.

    Every address is served by a thread of its own that does not keep the process alive, so that one that hangs holds
    up neither the others nor the caller.

    Parameters
    ----------
    addresses
        Apprise URLs, as ``tgram://token/chat``. They hold secrets: nothing here logs or raises them.
    seconds
        How long an alert may take in all.
    """

    def __init__(self, addresses: Sequence[str], seconds: float = SECONDS) -> None:
        self._addresses, self._seconds = tuple(addresses), seconds

    def notify(self, alert: Alert) -> dict[str, str]:
        """Send an alert to every address; see `xflow.alert_ports.Notifier`."""
        _MASK.hide(self._addresses)
        outcomes: dict[str, str] = {}
        threads = []
        for number, address in enumerate(self._addresses, 1):
            service = _service(address)
            name = f"address {number}" if service is None else f"address {number}, {_shown(service.url(privacy=True))}"
            outcomes[name] = "no address that Apprise knows" if service is None else "no answer in time"
            if service is not None:
                threads.append(threading.Thread(target=_send, args=(service, alert, outcomes, name), daemon=True))
                threads[-1].start()
        until = time.monotonic() + self._seconds
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        return dict(outcomes)


def _service(address: str) -> "NotifyBase | None":
    import apprise

    asset = apprise.AppriseAsset(app_id="xFlow", app_desc="xFlow", async_mode=False)
    return apprise.Apprise.instantiate(address, asset=asset, suppress_exceptions=True)


def _send(service: "NotifyBase", alert: Alert, outcomes: dict[str, str], name: str) -> None:
    try:
        taken = service.notify(title=alert.title, body=alert.body, notify_type=alert.level)
    except Exception as error:  # noqa: BLE001  # a hundred services; what they raise may hold the address
        outcomes[name] = type(error).__name__
    else:
        outcomes[name] = "" if taken else "it did not take the alert"


def _shown(masked: str) -> str:
    """Return scheme and host of an address whose passwords Apprise has masked; paths of webhooks are secrets too."""
    parts = urlsplit(masked)
    return f"{parts.scheme}://{parts.netloc}"
