"""Where the services are and how to sign in. The only reader of the environment."""

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from xflow.environments import PRODUCTION
from xflow.errors import ConfigInvalid

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses and credentials of the services.

    Attributes hold the values of the environment variables named in `ENVIRONMENT` and `OPTIONAL`.
    Secrets do not show in `repr`.
    """

    s3_endpoint: str
    s3_bucket: str
    s3_access_key: str
    s3_secret_key: str = field(repr=False)
    greenplum_dsn: str = field(repr=False)
    tarantool_uri: str = field(repr=False)
    mlflow_uri: str
    mlflow_username: str
    mlflow_password: str = field(repr=False)
    hh_token: str = field(default="", repr=False)
    environment: str = PRODUCTION.name
    alerts: str = field(default="", repr=False)
    serving_url: str = ""
    serving_key: str = field(default="", repr=False)
    external_stores: str = ""

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings from the environment.

        Parameters
        ----------
        environment
            The variables; `os.environ` over the repository's ``.env`` when left out.

        Raises
        ------
        ConfigInvalid
            When a variable is missing or empty; the message names all of them.
        """
        found = {**read_env_file(env_file()), **os.environ} if environment is None else environment
        missing = [name for name in ENVIRONMENT.values() if not found.get(name)]
        if missing:
            raise ConfigInvalid(
                f"settings: {', '.join(missing)} not set. Start the stack with ./start.sh up, "
                "or set the variables listed in .env.example."
            )
        optional = {attribute: found[name] for attribute, name in OPTIONAL.items() if found.get(name)}
        return cls(**{attribute: found[name] for attribute, name in ENVIRONMENT.items()}, **optional)


ENVIRONMENT_VARIABLE = "XFLOW_ENV"
ENVIRONMENT = {
    "s3_endpoint": "XFLOW_S3_ENDPOINT",
    "s3_bucket": "XFLOW_S3_BUCKET",
    "s3_access_key": "AWS_ACCESS_KEY_ID",
    "s3_secret_key": "AWS_SECRET_ACCESS_KEY",
    "greenplum_dsn": "XFLOW_GREENPLUM_DSN",
    "tarantool_uri": "XFLOW_TARANTOOL_URI",
    "mlflow_uri": "MLFLOW_TRACKING_URI",
    "mlflow_username": "MLFLOW_TRACKING_USERNAME",
    "mlflow_password": "MLFLOW_TRACKING_PASSWORD",
}
OPTIONAL = {
    "hh_token": "XFLOW_HH_TOKEN",
    "environment": ENVIRONMENT_VARIABLE,
    "alerts": "XFLOW_ALERTS",
    "serving_url": "XFLOW_SERVING_URL",
    "serving_key": "XFLOW_SERVING_KEY",
    "external_stores": "XFLOW_EXTERNAL_STORES",  # of s3, greenplum, tarantool: those outside the stack
}


@dataclass(frozen=True, slots=True)
class AirflowSettings:
    """Where Airflow and the broker of its workers are; an attribute is empty where its variable is not set.

    The pipelines need none of it. Secrets do not show in `repr`.
    """

    url: str
    username: str
    password: str = field(repr=False)
    broker_url: str = field(repr=False)

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> "AirflowSettings":
        """Read what is set; see `Settings.from_env`."""
        found = {**read_env_file(env_file()), **os.environ} if environment is None else environment
        return cls(**{attribute: found.get(name) or "" for attribute, name in AIRFLOW.items()})


AIRFLOW = {
    "url": "AIRFLOW_URL",
    "username": "AIRFLOW_USERNAME",
    "password": "AIRFLOW_PASSWORD",
    "broker_url": "AIRFLOW__CELERY__BROKER_URL",
}


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """What the prediction service and the board need beside the addresses of `Settings`.

    Attributes
    ----------
    host, port
        Where the service listens.
    home
        Its folder: models that it has loaded, keys, what waits for the mart.
    greenplum_dsn
        A role that reads the mart and adds to the log of served predictions.
    tarantool_uri, mlflow_uri, mlflow_username, mlflow_password, environment
        As in `Settings`.
    key_sha256, board_username, board_password_sha256
        The administrator's API key and the board's user; of their secrets the service knows the sha256 alone.
    airflow_page, mlflow_page
        Addresses that a browser opens; empty: no links.
    most_bytes, most_rows, most_characters, most_series, most_values
        Of a request: bytes of the body, vacancies, characters of their cleaned texts, series, values sent or forecast.
    log_rows
        Served predictions that wait for the mart at most.
    proxies
        Addresses of reverse proxies, with commas between them, that are believed when they say who asks.
    """

    host: str
    port: int
    home: Path
    greenplum_dsn: str = field(repr=False)
    tarantool_uri: str = field(repr=False)
    mlflow_uri: str
    mlflow_username: str
    mlflow_password: str = field(repr=False)
    key_sha256: str = field(repr=False)
    board_password_sha256: str = field(repr=False)
    board_username: str = "admin"
    environment: str = PRODUCTION.name
    airflow_page: str = ""
    mlflow_page: str = ""
    most_bytes: int = 4 * 1024 * 1024
    most_rows: int = 1_000
    most_characters: int = 2_000_000
    most_series: int = 1_000
    most_values: int = 200_000
    log_rows: int = 20_000
    proxies: str = ""

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> "ServingSettings":
        """Read the settings from the environment; see `Settings.from_env`.

        Raises
        ------
        ConfigInvalid
            When a variable is missing, or a number is none; the message names all of them.
        """
        found = {**read_env_file(env_file()), **os.environ} if environment is None else environment
        missing = [name for attribute, name in SERVING.items() if attribute in SERVING_NEEDED and not found.get(name)]
        if missing:
            raise ConfigInvalid(
                f"settings of the service: {', '.join(missing)} not set. Start the stack with ./start.sh up, "
                "or set the variables listed in .env.example."
            )
        given: dict[str, Any] = {attribute: found[name] for attribute, name in SERVING.items() if found.get(name)}
        for attribute in SERVING_NUMBERS & given.keys():
            if not given[attribute].isdecimal():
                raise ConfigInvalid(f"{SERVING[attribute]} is {given[attribute]!r}: a whole number is needed")
            given[attribute] = int(given[attribute])
        return cls(**{"host": "127.0.0.1", **given, "home": Path(given["home"])})


SERVING = {
    "host": "XFLOW_SERVING_HOST",
    "port": "XFLOW_SERVING_PORT",
    "home": "XFLOW_SERVING_HOME",
    "greenplum_dsn": "XFLOW_SERVING_DSN",
    "tarantool_uri": "XFLOW_TARANTOOL_URI",
    "mlflow_uri": "MLFLOW_TRACKING_URI",
    "mlflow_username": "MLFLOW_TRACKING_USERNAME",
    "mlflow_password": "MLFLOW_TRACKING_PASSWORD",
    "key_sha256": "XFLOW_SERVING_KEY_SHA256",
    "board_password_sha256": "XFLOW_BOARD_PASSWORD_SHA256",
    "board_username": "XFLOW_BOARD_USERNAME",
    "environment": ENVIRONMENT_VARIABLE,
    "airflow_page": "AIRFLOW_PAGE",
    "mlflow_page": "MLFLOW_PAGE",
    "most_bytes": "XFLOW_SERVING_MOST_BYTES",
    "most_rows": "XFLOW_SERVING_MOST_ROWS",
    "most_characters": "XFLOW_SERVING_MOST_CHARACTERS",
    "most_series": "XFLOW_SERVING_MOST_SERIES",
    "most_values": "XFLOW_SERVING_MOST_VALUES",
    "log_rows": "XFLOW_SERVING_LOG_ROWS",
    "proxies": "XFLOW_SERVING_PROXIES",
}
SERVING_NUMBERS = {"port", "most_bytes", "most_rows", "most_characters", "most_series", "most_values", "log_rows"}
SERVING_NEEDED = {each.name for each in fields(ServingSettings) if each.default is MISSING} - {"host"}


def env_file() -> Path:
    """Return the path of the generated ``.env`` (``XFLOW_ENV_FILE`` moves it)."""
    return Path(os.environ.get("XFLOW_ENV_FILE") or REPOSITORY / ".env")


def pipelines_folder(dags: Path = REPOSITORY / "dags") -> Path:
    """Return the folder of pipeline YAML files: ``pipelines`` in that of the DAGs (``XFLOW_PIPELINES`` moves it)."""
    return Path(os.environ.get("XFLOW_PIPELINES") or dags / "pipelines")


def environment_name() -> str:
    """Return ``dev``, ``staging`` or ``prod`` (``XFLOW_ENV``, in the environment or in ``.env``); prod when not set."""
    found = {**read_env_file(env_file()), **os.environ}
    return found.get(ENVIRONMENT_VARIABLE) or PRODUCTION.name


def openmp_threads() -> int | None:
    """Return how many threads OpenMP's libraries were told to use (``OMP_NUM_THREADS``); None: as many as they like."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(first) if first.isdecimal() else None


def built_from() -> str:
    """Return the commit that an image was built from (``XFLOW_GIT_COMMIT``); empty outside an image."""
    return os.environ.get("XFLOW_GIT_COMMIT", "")


def read_env_file(path: Path) -> dict[str, str]:
    """Read ``NAME=value`` lines; comments and blank lines are skipped, quotes are stripped."""
    if not path.is_file():
        return {}
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.removeprefix("export ").strip(): value.strip().strip("'\"") for name, _, value in pairs}
