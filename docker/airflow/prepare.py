"""Create or upgrade Airflow's metadata database, and set its administrator.

Reads AIRFLOW_USERNAME and AIRFLOW_PASSWORD: the command line of Airflow takes a password only as an
argument, which any user of the machine could read. With ``--connections`` it also sets the connections
and the pool that the DAGs use, from the variables that `connections.py` reads.
"""

import os
import sys

from airflow.models.connection import Connection
from airflow.models.pool import Pool
from airflow.providers_manager import ProvidersManager
from airflow.utils import db
from airflow.utils.session import create_session


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


def set_connections() -> None:
    """Write the connections and the pool straight into the metadata: no api-server runs yet."""
    from connections import ALERTS, FROM_ENV, connections, pools

    with create_session() as session:
        session.query(Connection).filter_by(conn_id=ALERTS, description=FROM_ENV).delete()
        for body in connections():
            conn_id = body.pop("connection_id")
            session.query(Connection).filter_by(conn_id=conn_id).delete()
            session.add(Connection(conn_id=conn_id, **body))
    for pool in pools():
        Pool.create_or_update_pool(**pool)


if __name__ == "__main__":
    ProvidersManager().initialize_providers_configuration()
    db.initdb()
    set_administrator(os.environ["AIRFLOW_USERNAME"], os.environ["AIRFLOW_PASSWORD"])
    if "--connections" in sys.argv[1:]:
        set_connections()
