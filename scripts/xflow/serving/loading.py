"""A model from its folder into memory."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from xflow.errors import ModelRefused
from xflow.refs import ModelVersionRef

if TYPE_CHECKING:
    from xflow.adapters.golden import GoldenRows
    from xflow.ports import AnyModel


def loaded(folder: Path, version: ModelVersionRef) -> "tuple[AnyModel, Any, GoldenRows]":
    """Return the fitted model of a folder, the same behind MLflow's interface, and its golden rows.

    Raises
    ------
    ModelRefused
        It cannot be loaded here, or was logged without golden rows.
    """
    from xflow.adapters.golden import GoldenRows
    from xflow.adapters.model_code import load_with_own_code

    name = f"{version.name} version {version.version}"
    try:
        golden = GoldenRows.read(folder)
        pyfunc = load_with_own_code(folder)
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
