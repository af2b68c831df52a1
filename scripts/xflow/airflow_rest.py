"""A client of Airflow's REST API, as small as the demo and the start-up need it."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any


class RestError(Exception):
    """Airflow answered a request with an error.

    Attributes
    ----------
    status
        The HTTP status code.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class AirflowRest:
    """A signed-in session with one Airflow.

    Parameters
    ----------
    url
        Base address, as ``http://127.0.0.1:18080``.
    username, password
        Of an Airflow user; the password does not show in `repr`.
    page
        Base address of its pages in a browser, where that is another one.
    """

    url: str
    username: str
    password: str = field(repr=False)
    page: str = ""
    _token: str = field(default="", init=False, repr=False)

    def __post_init__(self) -> None:
        self.page = self.page or self.url

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send one request below ``/api/v2`` and return the decoded answer (None when it is empty).

        Raises
        ------
        RestError
            For an answer of 400 or above, with the start of its body.
        OSError
            When nobody answers.
        """
        if not self._token:
            answer = self._send("POST", "/auth/token", {"username": self.username, "password": self.password})
            self._token = answer["access_token"]
        return self._send(method, f"/api/v2{path}", body)

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
                text = response.read()
        except urllib.error.HTTPError as error:
            detail = error.read(2000).decode(errors="replace")
            raise RestError(error.code, f"Airflow: {method} {path}: {error.code} {detail}") from error
        return json.loads(text) if text else None
