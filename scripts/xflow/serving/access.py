"""Who may send a request: `MayPredict`, `MayDeploy` and `MayAdmin`, as parameters of endpoints."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from xflow.serving.keys import Caller, Keys, Role
from xflow.serving.problems import Problem
from xflow.serving.service import Services

REALM = 'Bearer realm="xflow"'
ADDRESSES = 10_000
bearer = HTTPBearer(
    auto_error=False, scheme_name="key", description="An API key: `xflow keys add NAME --role predict` makes one."
)


def allowed(role: Role) -> Callable[..., Awaitable[Caller]]:
    """Return the dependency of an endpoint that asks for a key of a role, or of one that may more."""

    async def check(
        service: Services, given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
    ) -> Caller:
        caller = _known(service.keys, given.credentials if given else "")
        if not caller.may(role):
            raise Problem(403, f"the key {caller.name} may {caller.role}, this asks for one that may {role}")
        return caller

    return check


def _known(keys: Keys, token: str) -> Caller:
    """Return who sends a request; a stranger is refused by one text whether a key is missing, wrong or revoked."""
    caller = keys.caller(token)
    if caller is None:
        raise HTTPException(401, "an API key is needed: Authorization: Bearer <key>", {"WWW-Authenticate": REALM})
    return caller


class BodiesOfCallers:
    """Lets the body of a request be read once its key is known; the board's have a session or a password instead.

    FastAPI reads and parses a body before it asks who sent it.
    """

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or scope["path"].startswith("/board/"):
            await self._app(scope, receive, send)
            return
        scheme, token = get_authorization_scheme_param(Headers(scope=scope).get("authorization"))
        asked = scope["method"] in {"POST", "PUT", "PATCH"}

        async def receive_of_caller() -> Message:
            nonlocal asked
            if asked:
                _known(self._keys, token if scheme.lower() == "bearer" else "")
                asked = False
            return await receive()

        await self._app(scope, receive_of_caller, send)


MayPredict = Annotated[Caller, Depends(allowed("predict"))]
MayDeploy = Annotated[Caller, Depends(allowed("deploy"))]
MayAdmin = Annotated[Caller, Depends(allowed("admin"))]


class SignInThrottle:
    """Counts failed sign-ins of addresses, in memory.

    Parameters
    ----------
    most
        Failures of an address within `seconds`; after these it has to wait.
    addresses
        How many are remembered; of more, the one that failed longest ago is forgotten.
    clock
        Seconds that never run backwards.
    """

    def __init__(
        self,
        most: int = 5,
        seconds: float = 60.0,
        addresses: int = ADDRESSES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._seconds, self._addresses, self._clock = most, seconds, addresses, clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_seconds(self, address: str) -> float:
        """Return how long an address has to wait before it may try again; 0.0: it may now."""
        with self._lock:
            failures = self._failures.get(address)
            if failures is None or len(failures) < self._most:
                return 0.0
            return max(0.0, failures[0] + self._seconds - self._clock())

    def failed(self, address: str) -> None:
        """Count a failure."""
        with self._lock:
            self._failures.setdefault(address, deque(maxlen=self._most)).append(self._clock())
            self._failures.move_to_end(address)
            while len(self._failures) > self._addresses:
                self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget the failures of an address."""
        with self._lock:
            self._failures.pop(address, None)
