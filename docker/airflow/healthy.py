"""Health of the Airflow service in this container: exit status 0, or 1 and a line that says why.

    python healthy.py api-server | scheduler | dag-processor | triggerer | worker

A check judges this container alone, not its replicas: the api-server's page of health shows the freshest
heartbeat of all schedulers, and says nothing of a second one that hangs. So the first is asked over HTTP,
the next three are looked up in the metadata database by this host's name, and a worker's heartbeat is a
file that `airflow_local_settings.py` touches. Neither Airflow nor Celery is imported, which would cost a
second of CPU at every check.
"""

import os
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

TIMEOUT_SECONDS = 5
STALE_SECONDS = 30
"""Airflow's own threshold. All services send a heartbeat every 5 s or more often."""

JOBS = {"scheduler": "SchedulerJob", "dag-processor": "DagProcessorJob", "triggerer": "TriggererJob"}
LAST_HEARTBEAT = """
SELECT extract(epoch FROM now() - max(latest_heartbeat)) FROM job WHERE job_type = %s AND hostname = ANY(%s)
"""


class Unhealthy(Exception):
    """The service does not work; the message says what is wrong with it."""


def check_api_server() -> None:
    """Ask the api-server of this container; it looks at the metadata database to answer."""
    request = b"GET /api/v2/monitor/health HTTP/1.0\r\nHost: localhost\r\n\r\n"
    port = int(os.environ.get("AIRFLOW__API__PORT", "8080"))
    answer = b""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        connection.sendall(request)
        while part := connection.recv(65536):
            answer += part
    status = answer.partition(b"\r\n")[0].decode(errors="replace")
    if " 200 " not in f"{status} ":
        raise Unhealthy(f"answered {status or 'nothing'}")
    if b'"metadatabase":{"status":"healthy"}' not in answer:
        raise Unhealthy("the metadata database does not answer")


def check_job(name: str) -> None:
    """Look for a fresh heartbeat of this container's job in the metadata database."""
    import psycopg2

    scheme, _, address = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].partition("://")
    uri = f"{scheme.partition('+')[0]}://{address}"
    try:
        connection = psycopg2.connect(uri, connect_timeout=TIMEOUT_SECONDS)
        try:
            with connection.cursor() as cursor:
                cursor.execute(LAST_HEARTBEAT, (JOBS[name], host_names()))
                age = cursor.fetchone()[0]
        finally:
            connection.close()
    except psycopg2.Error as error:
        raise Unhealthy(f"the metadata database: {' '.join(str(error).split())}") from error
    check_age(None if age is None else float(age))


def check_worker() -> None:
    """Look at the file that the worker touches at each heartbeat that it sends to the broker."""
    try:
        age = time.time() - heartbeat_file().stat().st_mtime
    except FileNotFoundError:
        age = None
    check_age(age)


def heartbeat_file() -> Path:
    """Return the file that a worker's heartbeat touches."""
    return Path(os.environ.get("TMPDIR", "/tmp"), "worker-heartbeat")  # noqa: S108  # a container's own


def check_age(age: float | None) -> None:
    """Refuse a heartbeat that is stale, or older than the container: it is its predecessor's."""
    if age is None or age > seconds_since_start():
        raise Unhealthy("no heartbeat since the start")
    if age > STALE_SECONDS:
        raise Unhealthy(f"the last heartbeat was {age:.0f} s ago")


def seconds_since_start() -> float:
    """Return the age of the container's first process."""
    # Counted after the command's name, which may hold blanks and brackets; the start is field 22.
    ticks = int(Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def host_names() -> list[str]:
    """Return the names of this host, among them the one that Airflow writes into its database."""
    name = socket.gethostname()
    found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM, flags=socket.AI_CANONNAME)
    return [name, *(canonical for *_, canonical, _ in found if canonical)]


CHECKS: dict[str, Callable[[], None]] = {
    "api-server": check_api_server,
    "worker": check_worker,
    **{name: partial(check_job, name) for name in JOBS},
}

if __name__ == "__main__":
    service = sys.argv[1] if len(sys.argv) == 2 else ""
    if service not in CHECKS:
        sys.exit(f"healthy.py: which service? One of {', '.join(CHECKS)}")
    try:
        CHECKS[service]()
    except (Unhealthy, OSError) as problem:
        sys.exit(f"{service} is not healthy: {problem}")
