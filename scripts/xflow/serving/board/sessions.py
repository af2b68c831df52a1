"""Who has signed in to the board: a signed cookie."""

import hashlib
import hmac
import os
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from itsdangerous import BadData, URLSafeTimedSerializer

HOURS = 12
SECONDS = HOURS * 3600
COOKIE = "xflow_board"


class Sessions:
    """Sessions of the board's user.

    A session is a signed text in a cookie, so a restart of the service signs nobody out. Another password ends all
    sessions; signing out ends one, until the service restarts at least.

    Parameters
    ----------
    username, password_sha256
        The user; of the password the sha256 alone, in hexadecimal digits.
    key_file
        Where the key that signs is kept, for the service's user alone; made when it is absent.
    """

    def __init__(self, username: str, password_sha256: str, key_file: Path) -> None:
        self._username, self._password = username, password_sha256.lower()
        self._signer = URLSafeTimedSerializer(_key(key_file), salt=f"board {self._password}")
        self._ended: dict[str, float] = {}

    def open(self, username: str, password: str) -> str | None:
        """Return a new session, or None when name or password is wrong; both are compared in constant time."""
        given = hashlib.sha256(_bytes(password)).hexdigest()
        known = hmac.compare_digest(_bytes(username), _bytes(self._username))
        right = hmac.compare_digest(_bytes(given), _bytes(self._password))
        return str(self._signer.dumps(secrets.token_urlsafe(12))) if known & right else None

    def expiry(self, session: str) -> datetime | None:
        """Return when a session ends, in UTC; None when it has ended or never was."""
        try:
            number, signed_at = self._signer.loads(_bytes(session), max_age=SECONDS, return_timestamp=True)
        except BadData:
            return None
        return None if number in self._ended else signed_at.astimezone(UTC) + timedelta(seconds=SECONDS)

    def end(self, session: str) -> None:
        """End a session."""
        if self.expiry(session) is None:
            return
        now = time.monotonic()
        self._ended = {number: until for number, until in self._ended.items() if until > now}
        self._ended[self._signer.loads(session)] = now + SECONDS

    @property
    def username(self) -> str:
        """The only user."""
        return self._username


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")  # JSON may hold what UTF-8 does not


def _key(path: Path) -> str:
    """Return the key of a file; make it when it is absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(made, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
    return path.read_text(encoding="ascii")
