"""Who may send a request: `MayPredict`, `MayDeploy` and `MayAdmin`, as parameters of endpoints."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from xflow.serving.keys import Caller, Role
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
        caller = service.keys.caller(given.credentials if given else "")
        if caller is None:
            # One text whether no key was sent, or a wrong or a revoked one.
            raise Problem(401, "an API key is needed: Authorization: Bearer <key>", headers={"WWW-Authenticate": REALM})
        if not caller.may(role):
            raise Problem(403, f"the key {caller.name} may {caller.role}, this asks for one that may {role}")
        return caller

    return check


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
