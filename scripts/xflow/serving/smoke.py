"""What a version must pass before it answers: the answers that it gave when it was fitted, in time."""

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xflow.columns import SERIES_ID
from xflow.domain.panel import Panel
from xflow.errors import ModelRefused
from xflow.serving.schemas import Vacancy
from xflow.serving.series import forecasts_of
from xflow.serving.vacancies import cohorts_of

if TYPE_CHECKING:
    import pandas as pd

    from xflow.adapters.golden import GoldenRows
    from xflow.pipeline_base import ServingPolicy
    from xflow.serving.served import ServedModel

WARM_UP, CALLS = 3, 30


@dataclass(frozen=True, slots=True)
class Smoke:
    """What was found.

    Attributes
    ----------
    rows
        Golden rows that were compared.
    difference
        The largest, of any number, relative to the number where that is above 1.
    p50_ms, p99_ms
        Latency of a single row, or series, in milliseconds.
    """

    rows: int
    difference: float
    p50_ms: float
    p99_ms: float


def smoke_test(served: "ServedModel", golden: "GoldenRows", policy: "ServingPolicy", *, in_time: bool = True) -> Smoke:
    """Let a version answer its golden rows, and one of them by the very functions that requests are answered with.

    Parameters
    ----------
    in_time
        Whether a version that is too slow is refused.

    Raises
    ------
    ModelRefused
        An answer is another one, or answers take longer than the pipeline's file allows.
    """
    name = f"{served.version.name} version {served.version.version}"
    try:
        if not (len(golden.inputs) and len(golden.outputs)):
            raise ModelRefused("has no golden rows to test it by: train again")
        difference = _compare(served.pyfunc.predict(golden.inputs), golden.outputs, policy.tolerance)
        _ask(served, _single(golden.inputs))
        p50, p99 = _latency(served.pyfunc, _single(golden.inputs))
    except ModelRefused as error:
        raise ModelRefused(f"{name}: {error}") from None
    except Exception as error:  # the libraries of its members may raise anything
        raise ModelRefused(f"{name} fails on its golden rows: {type(error).__name__}: {error}") from error
    if in_time and p50 > policy.max_latency_ms:  # the slowest calls say more of the machine's other work
        raise ModelRefused(
            f"{name} takes {p50:.1f} ms for one row (median of {CALLS} calls), and serving.max_latency_ms of the "
            f"pipeline's file allows {policy.max_latency_ms:g}: deploy it again when the machine is at rest, or raise "
            "the limit"
        )
    return Smoke(len(golden.outputs), difference, p50, p99)


def _ask(served: "ServedModel", single: "pd.DataFrame") -> None:
    """Answer a vacancy, or a series, as a request; the numbers are those of `_compare`, by the same model."""
    model: Any = served.model
    if SERIES_ID in single:
        panel = Panel.from_frame(single, model.freq, exogenous=model.exogenous)
        forecasts_of(model, panel, model.horizon, lead=0)
        return
    row = single.astype(object).where(single.notna(), None).iloc[0]
    texts = {str(name): text for name, text in row.items()}
    cohorts_of({served.target: served}, [Vacancy.model_construct(id="golden", **texts)])


def _compare(made: "pd.DataFrame", wanted: "pd.DataFrame", tolerance: float) -> float:
    """Return the largest difference of two tables of answers."""
    if list(made.columns) != list(wanted.columns) or len(made) != len(wanted):
        raise ModelRefused(
            f"answers {len(made)} rows of {', '.join(made.columns)} to its golden rows, and {len(wanted)} of "
            f"{', '.join(wanted.columns)} when it was fitted"
        )
    largest = 0.0
    for column in wanted.columns:
        found, right = made[column].to_numpy(), wanted[column].to_numpy()
        if right.dtype.kind == "f":
            far = _differences(found.astype(np.float64), right)
            largest = max(largest, float(far.max(initial=0.0)))
            wrong = np.flatnonzero(far > tolerance)
        else:
            wrong = np.flatnonzero(found != right)
        if len(wrong):
            at = int(wrong[0])
            raise ModelRefused(
                f"{len(wrong)} of {len(wanted)} golden rows have another {column} than when it was fitted, as row "
                f"{at}: {found[at]} instead of {right[at]} (serving.tolerance {tolerance:g}). Its libraries or its "
                "files are others than those of the training: train again"
            )
    return largest


def _differences(found: np.ndarray, right: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # infinities
        far = np.abs(found - right) / np.maximum(1.0, np.abs(right))
    same = (found == right) | (np.isnan(found) & np.isnan(right))
    return np.where(same, 0.0, np.where(np.isnan(far), math.inf, far))


def _single(inputs: "pd.DataFrame") -> "pd.DataFrame":
    """Return the first vacancy, or the first series."""
    if SERIES_ID not in inputs:
        return inputs.head(1)
    first: pd.DataFrame = inputs[inputs[SERIES_ID] == inputs[SERIES_ID].iloc[0]]
    return first


def _latency(pyfunc: Any, single: "pd.DataFrame") -> tuple[float, float]:
    """Return p50 and p99 of a call, in milliseconds."""
    took = []
    for _ in range(WARM_UP + CALLS):
        began = time.perf_counter()
        pyfunc.predict(single)
        took.append(time.perf_counter() - began)
    p50, p99 = np.percentile(np.array(took[WARM_UP:]) * 1e3, [50, 99])
    return float(p50), float(p99)
