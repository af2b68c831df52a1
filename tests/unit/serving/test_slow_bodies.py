"""A body that never ends is given up, and a caller who has sent his whole is waited with."""

import asyncio
from typing import Any

from fastapi import FastAPI, Request

from xflow.serving.middleware import RequestScope
from xflow.serving.problems import install


def asked(pieces: list[bytes], ends: bool) -> list[dict[str, Any]]:
    """Send pieces, and then the end or nothing more; return what the application sent."""
    app = FastAPI()
    install(app)

    @app.post("/x")
    async def slow(request: Request) -> int:
        size = len(await request.body())
        await asyncio.sleep(2.2)  # longer than a body may take
        return size + int(await request.is_disconnected())

    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if ends:
        messages.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/x", "raw_path": b"/x", "query_string": b"", "headers": [],
             "http_version": "1.1", "scheme": "http", "server": ("a", 1), "client": ("b", 2)}  # fmt: skip
    scoped = RequestScope(app, 1_000, lambda *_: None, body_seconds=2)
    asyncio.run(asyncio.wait_for(scoped(scope, receive, send), 300))  # type: ignore[arg-type]
    return sent


def test_a_body_that_does_not_end_is_given_up() -> None:
    start, body = asked([b"half"], ends=False)
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]
    assert b"did not arrive within 2 s" in body["body"]


def test_a_whole_body_has_no_deadline() -> None:
    start, body = asked([b"whole"], ends=True)
    assert (start["status"], body["body"]) == (200, b"5")
