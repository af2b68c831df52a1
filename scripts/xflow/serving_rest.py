"""A client of the prediction service, as small as the DAGs and the command line need it."""

import json
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from xflow.errors import AccessDenied, ConfigInvalid, ModelMissing, ModelRefused, ServiceUnavailable, XflowError

ERRORS: dict[int, type[XflowError]] = {401: AccessDenied, 403: AccessDenied, 404: ModelMissing, 409: ModelRefused}
SECONDS = 60.0
DEPLOY_SECONDS = 20 * 60.0
"""A large model is downloaded and loaded, maybe after another one of its name."""


@dataclass(frozen=True, slots=True)
class ServingRest:
    """One prediction service, and a key of it.

    Parameters
    ----------
    url
        Base address, as ``http://127.0.0.1:18000``.
    key
        An API key; it does not show in `repr`.
    """

    url: str
    key: str = field(repr=False)

    def call(self, method: str, path: str, body: object = None, seconds: float = SECONDS) -> Any:
        """Send one request and return the decoded answer (None when it is empty).

        Raises
        ------
        AccessDenied, ModelMissing, ModelRefused, ConfigInvalid
            For an answer from 400 to 499, with what the service says.
        ServiceUnavailable
            Nobody answers, or with 500 or above.
        """
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url.rstrip("/") + path, data, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=seconds) as response:  # noqa: S310
                text = response.read()
        except urllib.error.HTTPError as error:
            raise self._error(method, path, error) from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise ServiceUnavailable(
                f"prediction service at {self.url} does not answer: {reason}. Is it up?"
            ) from error
        return json.loads(text) if text else None

    def deploy(self, name: str, version: str) -> dict[str, Any]:
        """Let a version answer; return the service's report, `xflow.serving.deployment_report.Deployment`."""
        done: dict[str, Any] = self.call("PUT", f"/v1/models/{name}", {"version": version}, DEPLOY_SECONDS)
        return done

    def _error(self, method: str, path: str, error: urllib.error.HTTPError) -> XflowError:
        kind = ERRORS.get(error.code, ConfigInvalid if error.code < 500 else ServiceUnavailable)
        with error:
            said = error.read(4_000).decode(errors="replace")
        with suppress(ValueError, KeyError, TypeError):  # not the service, but something between
            said = json.loads(said)["detail"]
        return kind(f"prediction service at {self.url}: {method} {path}: {error.code}: {said}")
