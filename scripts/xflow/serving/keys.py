"""The keys that requests carry: who holds one and what it allows. Of a key the service keeps the sha256 alone."""

import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xflow.errors import ConfigInvalid
from xflow.serving.durable import FULL, write_whole
from xflow.serving.problems import Problem

Role = Literal["predict", "deploy", "admin"]
ROLES: Sequence[Role] = get_args(Role)
"""Each may do what those before it may."""
ADMIN = "admin"
"""Name of the key that stands in .env; it is in no file of the service and cannot be revoked here."""
SHA256 = re.compile(r"^[0-9a-f]{64}$")
PREFIX = "xflow_"
TOKEN_BYTES = 32
KeyName = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$", description="Small letters, digits, _ and -")]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request.

    Attributes
    ----------
    name
        Of the key.
    role
        ``predict``, ``deploy`` or ``admin``.
    """

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Return whether this caller may do what a role may."""
        return ROLES.index(self.role) >= ROLES.index(role)


class Key(BaseModel):
    """A key as the service keeps it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: KeyName
    role: Role
    created_at: datetime
    sha256: str = Field(pattern=SHA256.pattern, repr=False)


class _KeyFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: list[Key]


class Keys:
    """Who may do what.

    Parameters
    ----------
    path
        Of the file ``keys.json`` on the service's volume; it may be absent.
    admin_sha256
        Of the administrator's key, in hexadecimal.

    Raises
    ------
    ConfigInvalid
        `admin_sha256` is none, or the file is damaged. A service that started without its keys would turn every
        client away, and overwrite the file with the next key.
    """

    def __init__(self, path: Path, admin_sha256: str) -> None:
        if not SHA256.fullmatch(admin_sha256):
            raise ConfigInvalid("XFLOW_SERVING_KEY_SHA256 is no sha256: 64 digits from 0 to f are needed")
        self._path = path
        self._admin_sha256 = admin_sha256
        self._lock = threading.Lock()
        self._keys = self._read()

    def caller(self, token: str) -> Caller | None:
        """Return who holds a key, or None. It takes as long for a wrong one as for a right one."""
        digest = hashlib.sha256(token.encode(errors="replace")).hexdigest()
        found = Caller(ADMIN, "admin") if hmac.compare_digest(self._admin_sha256, digest) else None
        for key in self._keys.values():
            if hmac.compare_digest(key.sha256, digest):
                found = Caller(key.name, key.role)
        return found

    def all(self) -> list[Key]:
        """Return the keys by name, without the administrator's."""
        return [self._keys[name] for name in sorted(self._keys)]

    def add(self, name: str, role: Role) -> tuple[Key, str]:
        """Make a key; return it with its token, which nobody can tell later.

        Raises
        ------
        Problem
            409: the name is taken. 507: the volume is full.
        """
        token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        sha256 = hashlib.sha256(token.encode()).hexdigest()
        key = Key(name=name, role=role, created_at=datetime.now(UTC).replace(microsecond=0), sha256=sha256)
        with self._lock:
            if name == ADMIN or name in self._keys:
                detail = f"there is a key {name}: revoke it first, or choose another name"
                raise Problem(409, detail, {"body.name": "is taken"})
            self._write({**self._keys, name: key})
        return key, token

    def revoke(self, name: str) -> None:
        """Refuse a key from now on.

        Raises
        ------
        Problem
            404: there is none of that name. 409: it is the administrator's. 507: the volume is full.
        """
        with self._lock:
            if name == ADMIN:
                raise Problem(409, "the administrator's key stands in .env: change XFLOW_SERVING_KEY there")
            if name not in self._keys:
                raise Problem(404, f"there is no key {name}", {"path.name": "unknown"})
            self._write({each: key for each, key in self._keys.items() if each != name})

    def _read(self) -> dict[str, Key]:
        try:
            found = _KeyFile.model_validate_json(self._path.read_bytes()).keys
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:  # the text of the second shows what stands in the file
            faults = f"{error.error_count()} faults" if isinstance(error, ValidationError) else error.strerror
            raise ConfigInvalid(
                f"{self._path}: the keys cannot be read: {faults}. Bring back a copy of the file, or move it away: the "
                "administrator's key is not in it, and xflow keys add makes the others anew."
            ) from None
        return {key.name: key for key in found}

    def _write(self, keys: dict[str, Key]) -> None:
        document = _KeyFile(keys=[keys[name] for name in sorted(keys)])
        try:
            write_whole(self._path, document.model_dump_json(indent=1).encode())
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise Problem(
                507, "the volume of the service is full: free space there; the keys stay as they were"
            ) from error
        self._keys = keys
