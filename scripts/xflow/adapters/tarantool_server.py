"""Connections to Tarantool and calls of its stored functions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import tarantool
from tarantool.error import DatabaseError, Error, NetworkError

from xflow.errors import AccessDenied, ConfigInvalid, ContractViolated, ServiceUnavailable, XflowError

CONNECT_SECONDS = 5
CALL_SECONDS = 60

# Codes of box.error, the same in 2.x and 3.x.
ER_MEMORY_ISSUE = 2
ER_TUPLE_FOUND = 3
ER_NO_SUCH_PROC = 33
ACCESS_CODES = {42, 45, 47}  # access denied, no such user, wrong password


class TarantoolServer:
    """A server's address and how to sign in.

    Parameters
    ----------
    uri
        ``tarantool://user:password@host:port``.
    """

    def __init__(self, uri: str) -> None:
        parts = urlsplit(uri)
        try:
            port = parts.port
        except ValueError:  # its text may show the password
            port = None
        if parts.scheme != "tarantool" or not parts.hostname or not port:
            raise ConfigInvalid(
                "XFLOW_TARANTOOL_URI must look like tarantool://user:password@host:3301, "
                "with %2F for a / in the password and so on"
            )
        self.address = f"{parts.hostname}:{port}"
        self._host, self._port = parts.hostname, port
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")

    def __repr__(self) -> str:
        """Show the address without the credentials."""
        return f"TarantoolServer({self.address})"

    @contextmanager
    def session(self, *, selects: bool = False) -> Iterator[tarantool.Connection]:
        """Open a connection of its own: closing it drops what was left unfinished on it.

        Parameters
        ----------
        selects
            Learn the names of spaces and indexes too, which costs two requests more, so that they can be read.
        """
        with self._mapped("connect"):
            connection = tarantool.Connection(
                self._host,
                self._port,
                user=self._user,
                password=self._password,
                encoding=None,  # text comes as bytes: packed values are no UTF-8
                socket_timeout=CALL_SECONDS,
                connection_timeout=CONNECT_SECONDS,
                reconnect_max_attempts=2,
                reconnect_delay=0.2,
                fetch_schema=selects,
            )
        try:
            yield connection
        finally:
            connection.close()

    def call(self, connection: tarantool.Connection, function: str, *arguments: object) -> Any:
        """Call a stored function; return the first of what it returns, or None."""
        with self._mapped(function):
            answer = connection.call(function, arguments)
            return answer[0] if len(answer) else None

    def select(self, connection: tarantool.Connection, space: str, index: str, *key: str | int) -> list[Any]:
        """Return the tuples of a space by the first parts of an index's key, in the index's order."""
        with self._mapped(f"select from {space}"):
            return list(connection.select(space, list(key), index=index))

    @contextmanager
    def _mapped(self, action: str) -> Iterator[None]:
        try:
            yield
        except (Error, OSError) as error:
            raise mapped(error, f"Tarantool at {self.address}, {action}") from error


def mapped(error: Exception, where: str) -> XflowError:
    """Return the error of ours that stands for one of the driver or the server."""
    if isinstance(error.__cause__, DatabaseError):  # the driver calls a refused sign-in a network error
        error = error.__cause__
    code = getattr(error, "code", 0)
    if isinstance(error, (NetworkError, OSError)) or not isinstance(error, DatabaseError):
        return ServiceUnavailable(f"{where}: no answer ({error}). Is it running? See ./start.sh status.")
    text = _text(error)
    if code in ACCESS_CODES:
        return AccessDenied(
            f"{where}: {text}. Check the user, the password and the grants in XFLOW_TARANTOOL_URI. After an upgrade of "
            "xFlow restart Tarantool: it runs docker/tarantool/schema.lua when it starts."
        )
    if code == ER_MEMORY_ISSUE:
        return ServiceUnavailable(
            f"{where}: the server is out of memory ({text}). Purge old feature sets or raise its memtx_memory."
        )
    if code == ER_TUPLE_FOUND:
        return ContractViolated(f"{where}: a series id comes twice in one feature set ({text}).")
    if code == ER_NO_SUCH_PROC:
        return ConfigInvalid(f"{where}: {text}. Load docker/tarantool/schema.lua when the server starts.")
    return ServiceUnavailable(f"{where}: {text}")


def _text(error: DatabaseError) -> str:
    """Return what the server said: the last argument, after its code; bytes, as the connection asks for."""
    said = error.args[-1] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
