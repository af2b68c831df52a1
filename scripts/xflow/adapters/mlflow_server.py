"""How MLflow's client is set up, and its errors as ours."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException

from xflow.errors import AccessDenied, ModelMissing, Permanent, ServiceUnavailable

CLIENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Artifacts come through the server: the S3 that it would point at may have no address outside of it.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",  # a model must not depend on the folder that it was trained from
}
# These warn at every model about what is meant: a model that is a Python object, and pip without a pin.
# On stderr that reads as an error in a task's log.
CHATTER = ("mlflow.pyfunc", "mlflow.utils.environment")


def sign_in(username: str, password: str) -> None:
    """Set up the client of this process: it takes credentials from the environment alone."""
    os.environ["MLFLOW_TRACKING_USERNAME"] = username
    os.environ["MLFLOW_TRACKING_PASSWORD"] = password
    for name, value in CLIENT.items():
        os.environ.setdefault(name, value)
    for name in CHATTER:
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def mapped(uri: str) -> Iterator[None]:
    """Map MLflow's errors to xFlow's at the boundary."""
    try:
        yield
    except RequestException as error:
        raise ServiceUnavailable(f"MLflow at {uri} does not answer: {error}. Is the server up?") from error
    except MlflowException as error:
        status = error.get_http_status_code()
        if status in (401, 403):
            raise AccessDenied(
                f"MLflow at {uri} refused the user: check MLFLOW_TRACKING_USERNAME and password"
            ) from error
        if isinstance(error.__cause__, RequestException) or "failed with exception" in str(error):
            raise ServiceUnavailable(f"MLflow at {uri} does not answer: {error}. Is the server up?") from error
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise ModelMissing(f"MLflow at {uri}: {error.message}") from error
        if status >= 500 or status == 429:
            raise ServiceUnavailable(f"MLflow at {uri} answered {status}: {error.message}") from error
        raise Permanent(f"MLflow at {uri} refused the request: {error.message}") from error
