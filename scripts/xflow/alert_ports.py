"""The port through which alerts leave."""

from collections.abc import Mapping
from typing import Protocol

from xflow.domain.alert import Alert


class Notifier(Protocol):
    """Tells people, by whatever way they chose."""

    def notify(self, alert: Alert) -> Mapping[str, str]:
        """Send an alert to every address.

        Returns
        -------
        Mapping
            What each address came to, by its name without secrets: ``""`` where it took the alert, else why not.
        """
