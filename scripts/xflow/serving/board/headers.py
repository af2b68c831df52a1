"""What every answer of the board tells the browser about itself."""

import re
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ORIGIN = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+")


class BoardHeaders:
    """Adds security and cache headers to the answers of ``/`` and ``/board``; errors are among them.

    Scripts, styles and data come from the service alone, and only the service's own pages and Airflow's may show the
    board in a frame. Data is never kept by a browser; files are kept and asked about by their ETag.

    Parameters
    ----------
    airflow_page
        Address of Airflow's page; empty: there is none.
    """

    def __init__(self, app: ASGIApp, airflow_page: str) -> None:
        self._app = app
        framing = " ".join(["'self'", *origins(airflow_page)])
        policy = ("default-src 'self'", "img-src 'self' data:", "object-src 'none'", "base-uri 'none'")
        self._headers = {
            "Content-Security-Policy": "; ".join((*policy, "form-action 'self'", f"frame-ancestors {framing}")),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path == "/" or path.startswith("/board/")):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                headers["Cache-Control"] = "no-store" if path.startswith("/board/api/") else "no-cache"
            await send(message)

        await self._app(scope, receive, send_with_headers)


def origins(page: str) -> list[str]:
    """Return the origin of a page's address; none of what is not an address."""
    parts = urlsplit(page)
    origin = f"{parts.scheme}://{parts.netloc}"
    return [origin] if ORIGIN.fullmatch(origin) else []
