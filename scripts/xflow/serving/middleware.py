"""What every request passes: it gets an id, its body's size and time are limited, and it is counted and timed."""

import asyncio
import re
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from xflow.serving.problems import answer

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
BODY_SECONDS = 20.0
"""What a caller has to send a body: one that never ends would hold its memory, and the end of the service."""
Observe = Callable[[str, str, int, float], None]
"""Called with the method, the route, the status and the seconds of a request."""


class RequestScope:
    """Gives a request its id, refuses a body that is too large, and tells `observe` what became of it.

    Parameters
    ----------
    most_bytes
        Of a body. A larger one is answered with 413, also when it does not state its length.
    body_seconds
        For a body to arrive. A slower one is answered with 408.
    """

    def __init__(self, app: ASGIApp, most_bytes: int, observe: Observe, body_seconds: float = BODY_SECONDS) -> None:
        self._app, self._most_bytes, self._observe, self._body_seconds = app, most_bytes, observe, body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        asked = headers.get("x-request-id", "")
        scope["request_id"] = asked if REQUEST_ID.fullmatch(asked) else uuid.uuid4().hex
        began, status = time.perf_counter(), 500

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = scope["request_id"]
            await send(message)

        try:
            if int(headers.get("content-length") or 0) > self._most_bytes:
                await answer(Request(scope), 413, self._refusal)(scope, receive, send_marked)
            else:
                await self._app(scope, self._limited(receive), send_marked)
        finally:
            route = scope.get("route")
            path = getattr(route, "path", "") or "other"  # the path of an unknown route is anybody's text
            self._observe(scope["method"], path, status, time.perf_counter() - began)

    def _limited(self, receive: Receive) -> Receive:
        seen, whole = 0, False
        until = asyncio.get_running_loop().time() + self._body_seconds

        async def receive_limited() -> Message:
            nonlocal seen, whole
            try:
                async with asyncio.timeout_at(None if whole else until):  # after the body comes the caller's leaving
                    message = await receive()
            except TimeoutError:
                detail = f"the body did not arrive within {self._body_seconds:g} s"
                raise HTTPException(408, detail, {"Connection": "close"}) from None
            whole = not message.get("more_body", False)
            seen += len(message.get("body", b""))
            if seen > self._most_bytes:
                raise HTTPException(413, self._refusal)  # what else is raised here, FastAPI takes for bad JSON
            return message

        return receive_limited

    @property
    def _refusal(self) -> str:
        return f"the body is larger than {self._most_bytes} bytes: send fewer rows at once"
