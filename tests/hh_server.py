"""A server that answers as hh.ru's API does: its paging, depth limit, filters, errors, ETags and rate limit."""

import contextlib
import gzip
import hashlib
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

DEPTH = 2000
ROUNDING = 300  # seconds to which the API rounds date_from and date_to
DATA = Path(os.environ.get("XFLOW_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")

DICTIONARY = {
    "currency": [
        {"code": "RUR", "abbr": "руб.", "name": "Рубли", "default": True, "rate": 1.0, "in_use": True},
        {"code": "USD", "abbr": "USD", "name": "Доллары", "default": False, "rate": 0.0125, "in_use": True},
        {"code": "OLD", "abbr": "OLD", "name": "Без курса", "default": False, "rate": None, "in_use": False},
    ],
    "experience": [{"id": "noExperience", "name": "Нет опыта"}],
    "salary_range_mode": [{"id": mode} for mode in ("MONTH", "HOUR", "SHIFT", "SERVICE", "FLY_IN_FLY_OUT")],
    "salary_range_frequency": [
        {"id": each} for each in ("DAILY", "WEEKLY", "TWICE_PER_MONTH", "MONTHLY", "PER_PROJECT")
    ],
}


@dataclass
class Fault:
    """An answer in place of the right one; status 0 hangs up."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, kind: str, value: str = "") -> Fault:
    return Fault(status, json.dumps({"errors": [{"type": kind, "value": value}], "request_id": "1"}))


DOWN = Fault(503, "<html><body>Service Unavailable</body></html>", {"Content-Type": "text/html"})
HANG_UP = Fault(0, "")
NOT_JSON = Fault(200, "<html>maintenance</html>")
CAPTCHA = refusal(403, "captcha_required", "captcha_required")


SALARY_MODES = {
    "MONTH": "За месяц",
    "HOUR": "За час",
    "SHIFT": "За смену",
    "SERVICE": "За услугу",
    "FLY_IN_FLY_OUT": "За вахту",
}


def salary_range(amount: float | None, mode: str | None = "MONTH", frequency: str | None = "MONTHLY") -> dict:
    """A salary as the API has stated it since 2026, beside the deprecated one."""
    return {
        "from": amount,
        "to": None,
        "currency": "RUR",
        "gross": False,
        "mode": {"id": mode, "name": SALARY_MODES.get(mode, mode)} if mode else None,
        "frequency": {"id": frequency, "name": frequency} if frequency else None,
    }


def vacancy(number: int, published: datetime, area: str = "1", roles: Iterable[str] = ("160",), **fields: Any) -> dict:
    """An item of a search in the API's shape; `published` is UTC without a zone."""
    moment = f"{published + timedelta(hours=3):%Y-%m-%dT%H:%M:%S}+0300"
    item = {
        "id": str(number),
        "name": f"Инженер {number}",
        "area": {"id": area, "name": f"Город {area}"},
        "employer": {"id": str(number % 7), "name": f"Компания {number % 7}"},
        "salary": {"from": 100_000, "to": None, "currency": "RUR", "gross": False},
        "snippet": {
            "requirement": None,
            "responsibility": f"Поддержка <highlighttext>сервиса</highlighttext> {number}",
        },
        "published_at": moment,
        "created_at": moment,
        "archived": False,
        "professional_roles": [{"id": role, "name": f"Роль {role}"} for role in roles],
        "contacts": None,
    }
    return item | fields


def replayed(name: str) -> tuple[list[dict], dict[str, dict]]:
    """The items and the details of a dump of real responses, one each vacancy; see `DATA`."""
    folder = DATA / "vacancies" / name
    items = {item["id"]: item for item in _records(folder / "search_items.jsonl.gz")}
    details = {detail["id"]: detail for detail in _records(folder / "details.jsonl.gz")}
    return list(items.values()), details


class HhServer:
    """The API on a free port of this machine, as long as the block lasts.

    Attributes
    ----------
    items, details
        What it knows; a test may change them at any time. A vacancy without a detail gives 404.
    faults
        Answers to the next requests.
    always
        The answer to every request while it is set.
    token, wants_token
        The one token that it knows, and whether it answers nobody without one, as the API since April 2026.
    most_a_second
        More requests within one second are answered with 429.
    before
        Called with every request's number and path before it is answered.
    requests
        Path, parameters and status of every request answered.
    """

    def __init__(self, items: Iterable[dict] = (), details: dict[str, dict] | None = None, depth: int = DEPTH) -> None:
        self.items, self.details, self.depth = list(items), dict(details or {}), depth
        self.dictionary: dict[str, Any] = DICTIONARY
        self.faults: deque[Fault] = deque()
        self.always: Fault | None = None
        self.most_a_second = 0
        self.delay = 0.0
        self.token = ""
        self.wants_token = False
        self.before: Callable[[int, str], None] = lambda number, path: None
        self.requests: list[tuple[str, dict[str, list[str]], int]] = []
        self.agents: set[str] = set()
        self._times: deque[float] = deque()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def count(self, path: str = "") -> int:
        return sum(asked.startswith(path) for asked, _, _ in self.requests)

    def answer(self, path: str, params: dict[str, list[str]], headers: Any) -> Fault:
        """Answer one request as the API would, or as the test wants."""
        with self._lock:
            self.before(len(self.requests), path)
            self.agents.add(headers.get("User-Agent") or "")
            found = _tagged(self._fault(headers) or self._found(path, params), headers.get("If-None-Match"))
            self.requests.append((path, params, found.status))
        return found

    def _fault(self, headers: Any) -> Fault | None:
        if self.always or self.faults:
            return self.always or self.faults.popleft()
        now = time.monotonic()
        self._times.append(now)
        while now - self._times[0] > 1:
            self._times.popleft()
        if self.most_a_second and len(self._times) > self.most_a_second:
            return Fault(429, "", {"Retry-After": "1"})
        if not (headers.get("HH-User-Agent") or headers.get("User-Agent")):
            return refusal(400, "bad_user_agent", "unset")
        given = headers.get("Authorization")
        if self.wants_token and not given:
            return refusal(403, "forbidden")
        return refusal(403, "oauth", "bad_authorization") if given and given != f"Bearer {self.token}" else None

    def _found(self, path: str, params: dict[str, list[str]]) -> Fault:
        if path == "/dictionaries":
            return _json(self.dictionary)
        if path == "/vacancies":
            return self._search(params)
        detail = self.details.get(path.removeprefix("/vacancies/"))
        return _json(detail) if detail else refusal(404, "not_found")

    def _search(self, params: dict[str, list[str]]) -> Fault:
        try:
            per_page, page = (
                int(params.get(name, [default])[0]) for name, default in (("per_page", "20"), ("page", "0"))
            )
            since, until = (_rounded(params.get(name, [""])[0]) for name in ("date_from", "date_to"))
        except ValueError:
            return refusal(400, "bad_argument", "date_from")
        if not 0 <= per_page <= 100 or (page + 1) * per_page > self.depth:
            return refusal(400, "bad_argument", "page")
        found = [item for item in self.items if _matches(item, params, since, until)]
        if params.get("order_by") == ["publication_time"]:
            found.sort(key=lambda item: (_moment(item["published_at"]), item["id"]), reverse=True)
        window = found[page * per_page : (page + 1) * per_page]
        pages = -(-min(len(found), self.depth) // per_page)
        return _json({"found": len(found), "pages": pages, "per_page": per_page, "page": page, "items": window})


def _handler(server: HhServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            found = server.answer(asked.path, parse_qs(asked.query), self.headers)
            time.sleep(server.delay)
            if found.status == 0:
                self.close_connection = True
                return
            body = found.body.encode()
            self.send_response(found.status)
            if len(body) > 1000 and "gzip" in self.headers.get("Accept-Encoding", ""):
                body = gzip.compress(body, 1)
                self.send_header("Content-Encoding", "gzip")
            for name, value in {"Content-Type": "application/json; charset=UTF-8", **found.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            with contextlib.suppress(ConnectionError):  # a client that was killed
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


def _tagged(found: Fault, known: str | None) -> Fault:
    """Give a whole answer its ETag, or 304 to who knows it."""
    if found.status != 200:
        return found
    etag = f'"{hashlib.sha256(found.body.encode()).hexdigest()[:16]}"'
    same = known == etag
    return Fault(304 if same else 200, "" if same else found.body, {**found.headers, "ETag": etag})


def _matches(item: dict, params: dict[str, list[str]], since: datetime | None, until: datetime | None) -> bool:
    moment = _moment(item["published_at"])
    roles = {role["id"] for role in item.get("professional_roles") or [] if role}
    return (
        (since is None or moment >= since)
        and (until is None or moment <= until)
        and ("area" not in params or str((item["area"] or {}).get("id")) in params["area"])
        and ("professional_role" not in params or bool(roles & set(params["professional_role"])))
        and ("text" not in params or params["text"][0].lower() in item["name"].lower())
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _rounded(text: str) -> datetime | None:
    """A time rounded to the nearest 5 minutes, as the API does."""
    if not text:
        return None
    return datetime.fromtimestamp(round(_moment(text).timestamp() / ROUNDING) * ROUNDING, UTC)


def _json(document: Any) -> Fault:
    return Fault(200, json.dumps(document, ensure_ascii=False))


def _records(path: Path) -> list[dict]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    return [{name: value for name, value in record.items() if not name.startswith("_")} for record in found]
