"""Whether Airflow's metadata is prepared for this image and this environment: `prepared.py check`, `prepared.py mark`.

Preparing takes half a minute of imports and look-ups that change nothing the second time. The mark lies
in the metadata database itself, so that it goes with it.
"""

import hashlib
import os
import sys
from pathlib import Path

import psycopg2

HERE = Path(__file__).parent
FILES = (HERE.parents[1] / "uv.lock", HERE / "prepare.py", HERE / "connections.py")
NAMES = (
    *("AIRFLOW_USERNAME", "AIRFLOW_PASSWORD", "AIRFLOW__CORE__FERNET_KEY", "XFLOW_GPU_SLOTS", "XFLOW_HH_TOKEN"),
    *("XFLOW_ALERTS", "MLFLOW_PAGE"),
    *("XFLOW_S3_ENDPOINT", "XFLOW_S3_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "XFLOW_GREENPLUM_DSN"),
    *("XFLOW_TARANTOOL_URI", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"),
    *("XFLOW_SERVING_URL", "XFLOW_SERVING_KEY"),
)


def wanted() -> str:
    """Return the hash of all that preparing depends on."""
    digest = hashlib.sha256()
    for path in FILES:
        digest.update(path.read_bytes())
    digest.update("\0".join(os.environ.get(name, "") for name in NAMES).encode())
    return digest.hexdigest()


def is_marked(connection: psycopg2.extensions.connection) -> bool:
    """Say whether the mark in the database is the wanted one."""
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('xflow_prepared') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return False
        cursor.execute("SELECT 1 FROM xflow_prepared WHERE mark = %s", (wanted(),))
        return cursor.fetchone() is not None


def mark(connection: psycopg2.extensions.connection) -> None:
    """Write the mark in place of the one before."""
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS xflow_prepared (mark text NOT NULL)")
        cursor.execute("DELETE FROM xflow_prepared")
        cursor.execute("INSERT INTO xflow_prepared VALUES (%s)", (wanted(),))


if __name__ == "__main__":
    scheme, _, address = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].partition("://")
    database = psycopg2.connect(f"{scheme.partition('+')[0]}://{address}")
    if sys.argv[1:] == ["mark"]:
        mark(database)
    elif not is_marked(database):
        sys.exit(1)
