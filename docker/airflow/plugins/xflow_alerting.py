"""The addresses of alerts, from the Airflow connection `xflow_alerts`. Read when an alert is sent, never before."""

from typing import TYPE_CHECKING, Any

from airflow.providers.apprise.hooks.apprise import AppriseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from xflow.adapters.alerts import secrets, split

if TYPE_CHECKING:
    from airflow.sdk import Connection

ALERTS = "xflow_alerts"


class AlertHook(AppriseHook):
    """Apprise's hook, whose connection may also hold the addresses as its password.

    There Airflow encrypts and hides them. The provider's own form works too: the field `config` of the connection,
    ``[{"path": address, "tag": ...}]``.
    """

    default_conn_name = ALERTS

    def __init__(self, apprise_conn_id: str = ALERTS) -> None:
        super().__init__(apprise_conn_id)

    def get_config_from_conn(self, conn: "Connection") -> Any:
        """Return what the provider's notifier takes: a list of addresses with their tags."""
        if conn.password:
            return [{"path": address} for address in split(conn.password)]
        return super().get_config_from_conn(conn)

    def addresses(self) -> tuple[str, ...]:
        """Return the addresses, masked in all logs from here on; none where there is no connection."""
        try:
            config = self.get_config_from_conn(self.get_connection(self.apprise_conn_id))
        except AirflowNotFoundException:
            return ()
        found = tuple(each["path"] for each in (config if isinstance(config, list) else [config]))
        for address in found:
            for secret in secrets(address):
                mask_secret(secret)
        return found
