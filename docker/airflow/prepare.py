"""Create or upgrade Airflow's metadata database, and set its administrator.

Reads AIRFLOW_USERNAME and AIRFLOW_PASSWORD: the command line of Airflow takes a password only as an
argument, which any user of the machine could read.
"""

import os

from airflow.providers_manager import ProvidersManager
from airflow.utils import db


def set_administrator(username: str, password: str) -> None:
    """Create the administrator, or give the one there is this password."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        manager = builder.sm
        user = manager.find_user(username=username)
        if user is not None:
            done = manager.reset_password(user.id, password)
        else:
            role = manager.find_role("Admin")
            done = manager.add_user(username, "xFlow", "Administrator", f"{username}@localhost", role, password)
        if not done:
            raise SystemExit(f"Airflow did not take the administrator {username}")


if __name__ == "__main__":
    ProvidersManager().initialize_providers_configuration()
    db.initdb()
    set_administrator(os.environ["AIRFLOW_USERNAME"], os.environ["AIRFLOW_PASSWORD"])
