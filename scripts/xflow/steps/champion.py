"""Whether a model can still serve its pipeline, whose file may have changed since the training."""

from xflow.domain.forecaster import Forecaster
from xflow.pipeline import Pipeline


def mismatch(model: Forecaster, pipeline: Pipeline) -> str | None:
    """Return what a model was trained for and the pipeline now says otherwise, or None when they agree."""
    wanted = (pipeline.contract.frequency, pipeline.input.exogenous, pipeline.model.levels)
    found = (model.freq, tuple(model.exogenous), tuple(model.levels))
    if wanted == found:
        return None
    return f"trained for frequency, exogenous columns and levels {found}, the pipeline now says {wanted}"
