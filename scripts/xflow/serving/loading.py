"""A model from its folder into memory."""

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xflow.errors import ModelRefused
from xflow.refs import ModelVersionRef

if TYPE_CHECKING:
    from xflow.adapters.golden import GoldenRows
    from xflow.ports import AnyModel

_ONE_AT_A_TIME = threading.Lock()
"""Loading changes `sys.path`, and two at once would take no less time."""


def loaded(folder: Path, version: ModelVersionRef) -> "tuple[AnyModel, Any, GoldenRows]":
    """Return the fitted model of a folder, the same behind MLflow's interface, and its golden rows.

    Raises
    ------
    ModelRefused
        It cannot be loaded here, or was logged without golden rows.
    """
    import mlflow.pyfunc

    from xflow.adapters.golden import GoldenRows

    name = f"{version.name} version {version.version}"
    try:
        golden = GoldenRows.read(folder)
        with _ONE_AT_A_TIME:
            pyfunc = mlflow.pyfunc.load_model(str(folder), suppress_warnings=True)
            # The code that was logged with it stays unused: this service is of one version of xFlow.
            sys.path[:] = [entry for entry in sys.path if not Path(entry).is_relative_to(folder)]
        model = pyfunc.unwrap_python_model().model
    except Exception as error:  # unpickling runs code of any library
        raise ModelRefused(
            f"{name} cannot be loaded: {type(error).__name__}: {error}. It was made by other versions of xFlow "
            "or of its libraries: train again"
        ) from error
    if golden is None:
        raise ModelRefused(
            f"{name} has no golden rows to test it by, as it was made by an earlier version of xFlow: train again"
        )
    return model, pyfunc, golden
