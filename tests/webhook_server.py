"""A web hook on this machine: it keeps what it is told, and may refuse, answer nothing, or never stop answering."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

Manner = Literal["take", "refuse", "hang", "drip"]


class WebHook(ThreadingHTTPServer):
    """The server; `told` holds what it was sent, oldest first, as (path, body)."""

    daemon_threads = True

    def __init__(self, manner: Manner = "take") -> None:
        self.manner: Manner = manner
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    def address(self, path: str = "/hook") -> str:
        """Return the address of this server for Apprise."""
        return f"json://127.0.0.1:{self.server_port}{path}"

    @contextmanager
    def running(self) -> Iterator[Self]:
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.over.set()
            self.shutdown()
            self.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: WebHook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.append((self.path, json.loads(body)))
        manner = self.server.manner
        if manner == "hang":
            self.server.over.wait(60)
            return
        self.send_response(500 if manner == "refuse" else 200)
        self.end_headers()
        while manner == "drip" and not self.server.over.wait(0.05):
            self.wfile.write(b".")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
