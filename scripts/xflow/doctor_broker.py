"""Examination of the broker that hands Airflow's tasks to Celery workers, and of these."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import amqp.exceptions
import redis
import redis.exceptions
from celery import Celery
from kombu import Connection
from kombu.exceptions import OperationalError

from xflow.doctor_probe import ANSWER_SECONDS, Seen, address_of, timed
from xflow.errors import AccessDenied, ConfigInvalid, ServiceUnavailable
from xflow.settings import AirflowSettings

QUEUES = ("default", "gpu")  # where the DAGs send their tasks
WORKERS_SECONDS = 2.0  # workers that answer later than this are not counted
FORM = "AIRFLOW__CELERY__BROKER_URL must look like redis://:password@host:6379/0 or amqp://user:password@host:5672//"


def examine_broker(settings: AirflowSettings) -> Seen:
    """Ping the broker, and ask which workers take tasks from which queues."""
    url, where = settings.broker_url, f"Celery broker at {address_of(settings.broker_url)}"
    try:
        version, taken = _ping_redis(url) if url.startswith(("redis://", "rediss://")) else _ping_amqp(url)
        workers = _workers(url)
    except (ValueError, KeyError, ImportError):  # no URL, or one of a broker that Celery does not know here
        raise ConfigInvalid(FORM) from None  # the text may show the password
    except (
        redis.exceptions.AuthenticationError,
        redis.exceptions.NoPermissionError,
        amqp.exceptions.AccessRefused,
    ) as error:
        said = str(error).rstrip(".")
        raise AccessDenied(f"{where}: {said}. Check user and password in AIRFLOW__CELERY__BROKER_URL.") from error
    except (redis.exceptions.RedisError, amqp.exceptions.AMQPError, OperationalError, OSError) as error:
        raise ServiceUnavailable(f"{where}: no answer ({error}). Is it running? See ./start.sh status.") from error
    return Seen(version, taken, {"workers": workers}, unserved(workers))


def unserved(workers: Mapping[str, list[str]]) -> str:
    """Return what to do about queues that no worker takes tasks from; empty when each has one."""
    served = {queue for queues in workers.values() for queue in queues}
    missing = [queue for queue in QUEUES if queue not in served]
    if not missing:
        return ""
    who = "no worker answers" if not workers else f"no worker takes tasks from the queue {' or '.join(missing)}"
    return f"{who}, so that tasks wait there. Start one: docker/airflow/worker.sh; in containers, ./start.sh up"


def _ping_redis(url: str) -> tuple[str, list[float]]:
    limits = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS}
    with closing(redis.Redis.from_url(url, **limits)) as client:
        client.ping()
        facts: Any = client.info("server")
        return f"Redis {facts['redis_version']}", timed(client.ping)


def _ping_amqp(url: str) -> tuple[str, list[float]]:
    with Connection(url, connect_timeout=ANSWER_SECONDS) as connection:
        connection.connect()
        facts = connection.connection.server_properties
        # AMQP has no ping: to open a channel and close it is the smallest request.
        return f"{facts.get('product')} {facts.get('version')}", timed(lambda: connection.channel().close())


def _workers(url: str) -> dict[str, list[str]]:
    """Return the queues that each worker takes tasks from."""
    with Celery(broker=url, set_as_current=False) as app:
        app.conf.broker_connection_timeout = ANSWER_SECONDS
        if url.startswith("redis"):
            app.conf.broker_transport_options = {"socket_timeout": ANSWER_SECONDS}
        answers: dict[str, list[dict[str, Any]]] = app.control.inspect(timeout=WORKERS_SECONDS).active_queues() or {}
    return {worker: sorted(each["name"] for each in queues) for worker, queues in sorted(answers.items())}
