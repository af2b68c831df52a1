"""Set the connections and the pool that the DAGs use, through Airflow's REST API.

Reads the addresses and passwords from the environment, as .env.example names them. Running it again
sets them again, so that moved ports are followed. The addresses of alerts go when XFLOW_ALERTS goes, unless a person
made their connection.
"""

import json
import os
from urllib.parse import unquote, urlsplit

from xflow.airflow_rest import AirflowRest, RestError

ALERTS = "xflow_alerts"
FROM_ENV = "XFLOW_ALERTS of .env"
"""Description of the connection, by which it is known as ours."""
ABOUT = {
    "xflow_s3": "Bucket of inputs, predictions, drift reports and models",
    "xflow_greenplum": "Mart: checked inputs, predictions, realised figures and the ledger of runs",
    "xflow_tarantool": "Feature store: what a run trains on or predicts from",
    "xflow_mlflow": "Runs, pictures and registered models; page (extra) is where a browser finds it",
    "xflow_serving": "Prediction service: the deploy DAGs bring champions into it",
    "xflow_hh": "Token of hh.ru's API (XFLOW_HH_TOKEN of .env); the collect DAG asks with it",
    ALERTS: FROM_ENV,
}
"""Description of each connection, as Airflow's page shows it."""


def pools() -> list[dict[str, object]]:
    """Return the body of the pool of tasks that use all cores or the GPU; XFLOW_GPU_SLOTS is how many run at once."""
    slots = int(os.environ.get("XFLOW_GPU_SLOTS") or 1)
    description = "Tasks that tune and fit: they use all cores, or the GPU"
    return [{"name": "gpu", "slots": slots, "description": description, "include_deferred": False}]


def connections() -> list[dict[str, object]]:
    """Return the bodies of the five connections, of hh.ru's where XFLOW_HH_TOKEN is set, and of the alerts' addresses.

    These are tokens, so they are the connection's password, which Airflow encrypts, hides and masks.
    """
    s3 = {
        "connection_id": "xflow_s3",
        "conn_type": "aws",
        "login": os.environ["AWS_ACCESS_KEY_ID"],
        "password": os.environ["AWS_SECRET_ACCESS_KEY"],
        "extra": json.dumps(
            {
                "endpoint_url": os.environ["XFLOW_S3_ENDPOINT"],
                "region_name": "us-east-1",
                "service_config": {"s3": {"bucket_name": os.environ["XFLOW_S3_BUCKET"]}},
            }
        ),
    }
    mlflow = from_uri("xflow_mlflow", "http", os.environ["MLFLOW_TRACKING_URI"])
    mlflow |= {
        "schema": urlsplit(os.environ["MLFLOW_TRACKING_URI"]).scheme,
        "login": os.environ["MLFLOW_TRACKING_USERNAME"],
        "password": os.environ["MLFLOW_TRACKING_PASSWORD"],
        "extra": json.dumps({"page": os.environ.get("MLFLOW_PAGE") or os.environ["MLFLOW_TRACKING_URI"]}),
    }
    serving = from_uri("xflow_serving", "http", os.environ["XFLOW_SERVING_URL"])
    serving |= {"schema": urlsplit(os.environ["XFLOW_SERVING_URL"]).scheme, "password": os.environ["XFLOW_SERVING_KEY"]}
    token = os.environ.get("XFLOW_HH_TOKEN")
    hh = [{"connection_id": "xflow_hh", "conn_type": "generic", "password": token}] if token else []
    made: list[dict[str, object]] = [
        s3,
        from_uri("xflow_greenplum", "postgres", os.environ["XFLOW_GREENPLUM_DSN"]),
        from_uri("xflow_tarantool", "generic", os.environ["XFLOW_TARANTOOL_URI"]),
        mlflow,
        serving,
        *hh,
        *alerts(),
    ]
    return [each | {"description": ABOUT[str(each["connection_id"])]} for each in made]


def alerts() -> list[dict[str, object]]:
    """Return the body of the connection that holds the addresses of alerts, where XFLOW_ALERTS is set."""
    addresses = os.environ.get("XFLOW_ALERTS")
    body = {"connection_id": ALERTS, "conn_type": "apprise", "password": addresses}
    return [body] if addresses else []


def from_uri(connection_id: str, conn_type: str, uri: str) -> dict[str, object]:
    """Return a connection's body with the parts of a URI; its path becomes the schema (the database)."""
    parts = urlsplit(uri)
    return {
        "connection_id": connection_id,
        "conn_type": conn_type,
        "host": parts.hostname,
        "port": parts.port,
        "login": parts.username and unquote(parts.username),
        "password": parts.password and unquote(parts.password),
        "schema": parts.path.strip("/") or None,
    }


def put(rest: AirflowRest, collection: str, key: str, body: dict[str, object]) -> None:
    """Change what is there, or create it."""
    try:
        rest.call("PATCH", f"/{collection}/{body[key]}", body)
    except RestError as error:
        if error.status != 404:
            raise
        rest.call("POST", f"/{collection}", body)


def forget_alerts(rest: AirflowRest) -> None:
    """Delete the connection that an earlier XFLOW_ALERTS made."""
    try:
        found = rest.call("GET", f"/connections/{ALERTS}")
    except RestError as error:
        if error.status != 404:
            raise
        return
    if found["description"] == FROM_ENV:
        rest.call("DELETE", f"/connections/{ALERTS}")


if __name__ == "__main__":
    rest = AirflowRest(os.environ["AIRFLOW_URL"], os.environ["AIRFLOW_USERNAME"], os.environ["AIRFLOW_PASSWORD"])
    for connection in connections():
        put(rest, "connections", "connection_id", connection)
    if not alerts():
        forget_alerts(rest)
    for pool in pools():
        put(rest, "pools", "name", pool)
