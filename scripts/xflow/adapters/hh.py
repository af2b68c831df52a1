"""hh.ru's API over HTTP: its rules, its faults, and how long to put up with them."""

import itertools
import json
import logging
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode, urlsplit

import requests
from requests.auth import AuthBase

from xflow.adapters.hh_refusal import beginning, fault_types, refused
from xflow.errors import ConfigInvalid, ServiceUnavailable
from xflow.vacancy_ports import ApiResponse, RateLimit

log = logging.getLogger("xflow.hh")

TIMEOUT = (5.0, 30.0)  # to connect, and between two pieces of an answer
LONGEST_PAUSE = 60.0
BUSY = {408, 429}
SLOWER = {429: "hh.ru limits how often one asks: lower collect.requests_per_second. "}


class HhApi:
    """hh.ru's API for vacancies.

    Faults that pass (429, 5xx, a lost connection, a body that is not JSON) are tried again with growing,
    jittered pauses until the patience is used up. What asking again cannot mend ends at once.

    Parameters
    ----------
    url
        The API's base, ``https://api.hh.ru``.
    user_agent
        ``name/version (mail)``.
    limiter
        Hands out the slots for requests.
    token
        Of a registered application; without one the API may ask for a captcha, or answer nothing.
    patience
        Seconds that one request may take, with all its repetitions.
    pause
        Seconds before the first repetition; doubled with every further one.
    """

    def __init__(
        self,
        url: str,
        user_agent: str,
        limiter: RateLimit,
        token: str | None = None,
        *,
        patience: float = 600.0,
        pause: float = 1.0,
    ) -> None:
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).netloc:
            raise ConfigInvalid(f"collect.url {url!r}: write it as https://api.hh.ru")
        self._base, self._limiter = url.rstrip("/"), limiter
        self._patience, self._pause = patience, pause
        self._session = requests.Session()
        # As bytes: a name outside of Latin-1 would not pass otherwise.
        self._session.headers.update({"User-Agent": user_agent.encode(), "Accept": "application/json"})
        self._bearer = self._session.auth = _Bearer(token)

    def __repr__(self) -> str:
        """Show the address without the token."""
        return f"HhApi({self._base})"

    def url(self, path: str, params: Sequence[tuple[str, str]] = ()) -> str:
        """Return the URL of a request: the same parameters give the same URL."""
        return f"{self._base}/{path.lstrip('/')}" + (f"?{urlencode(params)}" if params else "")

    def get(self, url: str, etag: str | None = None) -> ApiResponse:
        """Request a URL; see `xflow.vacancy_ports.VacancyApi`.

        Raises
        ------
        ServiceUnavailable
            The patience is used up.
        AccessDenied
            The API wants a captcha or a token, does not accept the token, or bars its application or this address.
        ConfigInvalid
            The API does not accept the user agent or a parameter.
        """
        end = time.monotonic() + self._patience
        for attempt in itertools.count():
            self._limiter.wait()
            try:
                return self._ask(url, etag)
            except _Passing as fault:
                pause = fault.after or min(self._pause * 2**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311
                if time.monotonic() + pause > end:
                    raise ServiceUnavailable(
                        f"{url}: {fault}, after {attempt + 1} requests and {self._patience:.0f} s of patience. "
                        f"{fault.advice}Nothing is lost: the next attempt goes on where this one stopped."
                    ) from fault
                left = (end - time.monotonic()) / 60
                log.warning("%s: %s; asking again in %.0f s, for up to %.0f min more", url, fault, pause, left)
                if fault.after:  # meant for everybody who asks from here
                    self._limiter.hold(pause)
                time.sleep(pause)
        raise AssertionError  # the loop has no end of its own

    def _ask(self, url: str, etag: str | None) -> ApiResponse:
        try:
            answer = self._session.get(url, headers={"If-None-Match": etag} if etag else {}, timeout=TIMEOUT)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise ConfigInvalid(f"{url}: {error}. Correct collect.url.") from error
        except requests.RequestException as error:
            raise _Passing(f"no answer ({_reason(error)})") from error
        status, body = answer.status_code, _text(answer.content)
        if status in BUSY or status >= 500:
            raise _Passing(f"status {status}", _seconds(answer.headers.get("Retry-After")), SLOWER.get(status, ""))
        if status == 200 and not _is_json(body):
            raise _Passing(f"status 200 with a body that is not JSON: {beginning(body)}")
        if status == 404 and not fault_types(body):
            raise _Passing(f"status 404 that is not the API's own: {beginning(body)}")
        if status in {200, 404} or (status == 304 and etag):
            answered_at = _moment(answer.headers.get("Date"))
            return ApiResponse(status, answer.headers.get("ETag"), answered_at, body if status != 304 else "")
        raise refused(status, self._bearer.hidden(body), url, signed=self._bearer.signs)


class _Passing(Exception):
    """A fault that may pass; `after` is how many seconds the API asks to wait, 0 when it does not say."""

    def __init__(self, text: str, after: float = 0.0, advice: str = "") -> None:
        super().__init__(text)
        self.after, self.advice = after, advice


class _Bearer(AuthBase):
    """Signs requests with the application's token; keeps a netrc file from signing them."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    @property
    def signs(self) -> bool:
        """Whether there is a token."""
        return bool(self._token)

    def hidden(self, body: str) -> str:
        """Return a body without the token, should it quote it."""
        return body.replace(self._token, "***") if self._token else body

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _text(content: bytes) -> str:
    """Return a body as text; what is not UTF-8 is no JSON of the API's either, and only quoted."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return "not UTF-8: " + content[:100].decode(errors="replace")


def _is_json(body: str) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _seconds(text: str | None) -> float:
    """Return the seconds of a Retry-After header, which holds seconds or a date; 0 for anything else."""
    if text and text.strip().isdigit():
        return float(text)
    moment = _moment(text)
    return max((moment - datetime.now(UTC).replace(tzinfo=None)).total_seconds(), 0.0) if moment else 0.0


def _moment(text: str | None) -> datetime | None:
    """Return an HTTP date as UTC without a zone; None when it is none."""
    try:
        found = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return found.astimezone(UTC).replace(tzinfo=None) if found else None


def _reason(error: requests.RequestException) -> str:
    """Return what happened without the addresses of objects that the driver quotes."""
    cause = error.args[0] if error.args else error
    return f"{type(error).__name__}: {getattr(cause, 'reason', None) or cause}".split(" at 0x")[0]
