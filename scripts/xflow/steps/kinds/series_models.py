"""The models of a forecasting pipeline: candidates over a panel of series, judged by rolling origins."""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from xflow.columns import NOTE
from xflow.domain import ensemble, figures, tuning
from xflow.domain.backtest import Folds, plan_folds
from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.forecaster import Forecast, Forecaster, fit_intervals
from xflow.domain.intervals import series_scale
from xflow.domain.metrics import coverage, mean_error, per_series
from xflow.domain.panel import Panel, period_starts
from xflow.domain.promotion import FEWEST_GROUPS
from xflow.errors import ConfigInvalid, ContractViolated, ModelFailed, ModelIncompatible
from xflow.pipeline import Candidate, Pipeline
from xflow.ports import FeatureStore, ObjectStore
from xflow.refs import CheckedInput, FeatureSetRef, FittedModel, FoldPlan, Selection
from xflow.schema import bound_names
from xflow.steps.kinds import Champion, Fitted, Predicted, Progress
from xflow.steps.kinds.holdout import series_holdout
from xflow.steps.kinds.read_panel import read_panel
from xflow.steps.kinds.series_forecast import LAST_YEAR, ends_too_late, forecast_after, leads
from xflow.steps.kinds.series_input import SeriesInput
from xflow.steps.kinds.series_left_out import LeftOut, left_out

log = logging.getLogger(__name__)

METRICS = ("mase", "smape", "mae", "rmse")
EXAMPLE_SERIES = 2
SERIES_A_CHUNK = 2_000
FELL_BACK, WITHOUT = "series_fell_back", "series_without_forecast"


@dataclass(frozen=True)
class PanelData:
    """One plan's data.

    Attributes
    ----------
    history
        Every series without its holdout: all that may be learned from.
    actual
        The holdout, shape (n, horizon).
    folds
        Rolling origins within `history`.
    """

    history: Panel
    actual: np.ndarray
    folds: Folds


class SeriesModels:
    """What is special to models of series; see `xflow.steps.kinds.ModelKind`."""

    unit = "series"
    fewest = FEWEST_GROUPS

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline, self._model = pipeline, pipeline.model

    def plan(
        self, ref: FeatureSetRef, target: str, horizon: int | None, trials: int, features: FeatureStore
    ) -> FoldPlan:
        """Return the plan that every candidate is tuned and judged by.

        The last `horizon` values of each series are the holdout: no candidate sees them before the
        promotion. Folds lie before it; a series takes part in a fold when enough history is left.

        Raises
        ------
        ContractViolated
            A series is too short to give up a holdout, none is long enough for a fold, or none varies.
        """
        steps = horizon or self._model.horizon
        panel, _ = read_panel(features, ref)
        min_train = self._model.trains_on
        self._check_lengths(panel, steps, min_train)
        if panel.n_series < self.fewest:
            log.warning(
                "%s: %d series: a new version of fewer than %d can never show that it is better; the first champion "
                "stays until a person promotes another (xflow promote)",
                *(self._pipeline.name, panel.n_series, self.fewest),
            )
        history = panel.head(steps).lengths
        try:
            folds = plan_folds(history, steps, self._model.folds, min_train)
        except ValueError as error:
            raise ContractViolated(
                f"{self._pipeline.name}: no series is long enough for a backtest: the longest has {history.max()} "
                f"values before its holdout of {steps}, one fold needs {min_train} to train on (model.min_train; two "
                f"seasons and one when not set) and {steps} to forecast. Bring more history, or set a smaller "
                "model.min_train or horizon."
            ) from error
        return FoldPlan(
            feature_set=ref,
            target=target,
            horizon=steps,
            folds=len(folds.folds),
            min_train=min_train,
            trials=trials,
            holdout_hash=_hash(panel.ids, panel.ends, panel.split_last(steps)[1]),
            scored=folds.scored,
        )

    def params(self, plan: FoldPlan) -> dict[str, object]:
        """Return frequency, seasonality and horizon, and which candidates use the exogenous columns."""
        found: dict[str, object] = {
            "frequency": self._pipeline.contract.frequency,
            "seasonality": self._model.seasonality,
            "horizon": plan.horizon,
        }
        if self._pipeline.input.exogenous:
            found["exogenous"] = ",".join(self._pipeline.input.exogenous)
            found["exogenous_used_by"] = ",".join(self._pipeline.uses_exogenous)
        return found

    def data(self, plan: FoldPlan, features: FeatureStore) -> PanelData:
        """Read the plan's feature set and split it as planned."""
        panel, _ = read_panel(features, plan.feature_set)
        history, actual = panel.split_last(plan.horizon)
        return PanelData(history, actual, plan_folds(history.lengths, plan.horizon, plan.folds, plan.min_train))

    def tune(
        self, candidate: Candidate, data: PanelData, plan: FoldPlan, progress: Progress | None
    ) -> tuning.TuneResult:
        """Search a candidate's parameters by rolling-origin backtest.

        Raises
        ------
        ModelFailed
            It fails on every series.
        """
        try:
            return tuning.tune(
                candidate.kind,
                candidate.params,
                candidate.search,
                panel=data.history,
                folds=data.folds,
                metric=self._model.metric,
                setting=self._setting(plan),
                trials=plan.trials,
                progress=progress,
            )
        except ModelFailed as error:
            raise ModelFailed(
                f"{self._pipeline.name}: candidate {candidate.name}: {error} Correct its params, or take it out of "
                "model.candidates."
            ) from error

    def combine(self, oof: Mapping[str, np.ndarray], data: PanelData) -> tuple[dict[str, float], float]:
        """Return the members' weights and the error of their average; `oof` has shape (folds, n_series, horizon)."""
        return ensemble.select(oof, data.history, data.folds, self._model.metric, self._model.seasonality)

    def fit(self, data: PanelData, plan: FoldPlan, selection: Selection, oof: Mapping[str, np.ndarray]) -> Fitted:
        """Fit members and intervals without the holdout, and score the model on it.

        The interval widths come from the out-of-fold residuals of the blend; their coverage, like the
        accuracy, is measured on the holdout.
        """
        model, setting = self._model, self._setting(plan)
        weights = dict(zip((member.name for member in selection.members), selection.weights, strict=True))
        members = {
            member.name: (weights[member.name], build_candidate(member.kind, member.params, setting))
            for member in selection.members
        }
        intervals = fit_intervals(
            data.history, data.folds, ensemble.blend(oof, weights), model.levels, model.seasonality
        )
        forecaster = Forecaster.fit(data.history, members, intervals, model.seasonality, plan.horizon)
        made = forecaster.forecast(data.history, plan.horizon)
        floor = build_candidate(selection.floor.kind, selection.floor.params, setting)
        naive = floor.fit(data.history).forecast(data.history, plan.horizon)
        return Fitted(
            forecaster,
            self._metrics(data, made, naive),
            self._figures(data, made, naive, selection),
            # A few short histories in the long form that the logged model takes.
            data.history.select(np.arange(min(EXAMPLE_SERIES, data.history.n_series))).tail(36).to_frame(),
            series_holdout(data.history, made, model.levels),
        )

    def holdout(self, model: Forecaster, data: PanelData) -> pa.Table:
        """Return a model's forecasts of the holdout, a row a series and step."""
        made = model.forecast(data.history, data.actual.shape[1])
        return series_holdout(data.history, made, tuple(model.levels))

    def description(self, plan: FoldPlan, fitted: FittedModel) -> str:
        """Return the members, the steps and the number of series."""
        members = ", ".join(f"{name} {weight:.0%}" for name, weight in fitted.weights.items())
        steps = f"{plan.horizon} steps of frequency {self._pipeline.contract.frequency}"
        series = f"fitted on {plan.feature_set.entities} series without their last {plan.horizon} values"
        return f"{members}; {steps}, {series}"

    def errors(self, model: Forecaster, data: PanelData) -> np.ndarray:
        """Return each series' error on its holdout, shape (n,)."""
        made = model.forecast(data.history, data.actual.shape[1])
        return per_series(self._model.metric, data.actual, made.mean, data.history, self._model.seasonality)

    def mismatch(self, model: Forecaster, plan: FoldPlan | None = None) -> str | None:
        """Return what a model was trained for and the pipeline now says otherwise, or None when they agree."""
        if plan is not None and not hasattr(model, "learned"):
            return "made by an earlier version of xFlow, which does not say what it learned from"
        wanted = (self._pipeline.contract.frequency, self._pipeline.input.exogenous, self._model.levels)
        found = (model.freq, tuple(model.exogenous), tuple(model.levels))
        if wanted == found:
            return None
        return f"trained for frequency, exogenous columns and levels {found}, the pipeline now says {wanted}"

    def holdout_hash(self, data: PanelData) -> str:
        """Return the name of the holdout by its content: ids, times and values."""
        steps = data.actual.shape[1]
        scored = np.isfinite(data.actual).all(axis=1)
        return _hash(data.history.ids, data.history.ends + np.where(scored, steps * data.history.step, 0), data.actual)

    def groups(self, data: PanelData) -> np.ndarray:
        """Return a group for every series."""
        return np.arange(data.history.n_series)

    def seen(self, model: Forecaster, data: PanelData) -> str | None:
        """Return in how many series a model was fitted on values of the holdout."""
        ids, first = data.history.ids.tolist(), (data.history.ends + data.history.step).tolist()
        known = [name for name, start in zip(ids, first, strict=True) if model.learned.get(name, start - 1) >= start]
        if not known:
            return None
        return (
            f"the champion was fitted on values of the holdout in {len(known)} of {len(ids)} series "
            f"({', '.join(known[:5])}), and would be flattered by it"
        )

    def outranks(self, champion: Forecaster, plan: FoldPlan) -> str | None:  # noqa: ARG002  # any plan judges it
        """Return None: there is no other measure that a champion could be better by."""
        return None

    def predictions(
        self,
        champions: Mapping[str, Champion],
        ref: FeatureSetRef,
        checked: CheckedInput,
        horizon: int | None,
        features: FeatureStore,
        store: ObjectStore,
    ) -> Iterator[Predicted]:
        """Forecast `horizon` steps after each series' end, or after as_of, as the pipeline's `origin` says.

        A series of the input without features has a row that says why.

        Raises
        ------
        ConfigInvalid
            The forecast goes beyond the last year that there can be.
        ModelIncompatible
            No series knows the exogenous columns as far ahead.
        """
        (champion,) = champions.values()
        panel, origins = read_panel(features, ref)
        lead = leads(self._model.origin, checked.as_of, panel)
        steps = lead + (horizon or self._model.horizon)
        if ends_too_late(panel, steps):
            raise ConfigInvalid(
                f"{self._pipeline.name}: {steps.max()} steps of frequency {panel.freq}, of which {lead.max()} up to "
                f"as_of {checked.as_of}, go beyond {LAST_YEAR}: choose a smaller horizon, or an earlier as_of"
            )
        if champion.model.needs_exogenous:
            self._check_known_ahead(panel, steps)
        for first in range(0, panel.n_series, SERIES_A_CHUNK):
            chosen = np.arange(first, min(first + SERIES_A_CHUNK, panel.n_series))
            for ahead in np.unique(lead[chosen]):
                same = chosen[lead[chosen] == ahead]
                yield _predicted(
                    champion, panel.select(same), origins[same], horizon or self._model.horizon, int(ahead)
                )
        untold = left_out(SeriesInput(self._pipeline), panel.ids, checked, store)
        yield Predicted(_without_forecast(champion, panel.freq, untold, checked.as_of), 0, {WITHOUT: len(untold)})

    def _setting(self, plan: FoldPlan) -> Setting:
        return Setting(self._model.seasonality, plan.horizon, self._model.seed, self._model.device)

    def _check_known_ahead(self, panel: Panel, steps: np.ndarray) -> None:
        """Refuse an input that leaves every series to the simple forecast, for want of exogenous values."""
        known = np.diff(panel.exog_offsets) - panel.lengths
        if len(known) and (known < steps).all():
            raise ModelIncompatible(
                f"{self._pipeline.name}: all {panel.n_series} series, such as {', '.join(panel.ids[:5])}, know "
                f"{', '.join(panel.exog_names)} fewer than {steps.min()} steps ahead: add rows with these columns and "
                "no value"
            )

    def _check_lengths(self, panel: Panel, horizon: int, min_train: int) -> None:
        name = self._pipeline.name
        short = panel.ids[panel.lengths < horizon + min_train]
        if len(short):
            raise ContractViolated(
                f"{name}: {len(short)} of {panel.n_series} series are shorter than the horizon of {horizon} and "
                f"{min_train} steps to train on (model.min_train; two seasons and one when not set): "
                f"{', '.join(short[:5])}. {_lengths_advice(panel, horizon, min_train)}"
            )
        if not series_scale(panel.head(horizon), self._model.seasonality).any():
            raise ContractViolated(
                f"{name}: all {panel.n_series} series are constant, or repeat one season of "
                f"{self._model.seasonality} steps, before the last {horizon} values: there is nothing to learn and no "
                "error to scale by. Bring series that vary, or correct model.seasonality."
            )

    def _metrics(self, data: PanelData, made: Forecast, naive: np.ndarray) -> dict[str, float]:
        model, found = self._model, {}
        for metric in METRICS:
            errors = per_series(metric, data.actual, made.mean, data.history, model.seasonality)
            found[f"holdout_{metric}"] = mean_error(errors)
        errors = per_series(model.metric, data.actual, naive, data.history, model.seasonality)
        found[f"holdout_{model.metric}_floor"] = mean_error(errors)
        for k, level in enumerate(model.levels):
            lower, upper = made.bounds[2 * k], made.bounds[2 * k + 1]
            found[f"holdout_coverage_{level * 100:.0f}"] = coverage(data.actual, lower, upper)
        found[f"holdout_{FELL_BACK}"] = float(len(made.fell_back))
        return found

    def _figures(self, data: PanelData, made: Forecast, naive: np.ndarray, selection: Selection) -> dict[str, Any]:
        model = self._model
        errors = per_series(model.metric, data.actual, made.mean, data.history, model.seasonality)
        scale = figures.plot_scale(data.history, model.seasonality)
        chosen = {member.name for member in selection.members}
        return {
            "forecast_against_actual": figures.forecast_against_actual(
                data.history, data.actual, made, model.levels, errors, model.metric
            ),
            "error_by_horizon": figures.error_by_horizon(data.actual, made.mean, naive, scale, selection.floor.name),
            "residuals": figures.residuals(data.actual, made.mean, scale),
            "candidates": figures.candidate_scores(
                selection.scores, chosen, selection.floor.name, selection.score, model.metric
            ),
        }


def _lengths_advice(panel: Panel, horizon: int, min_train: int) -> str:
    """Return what to do about series that are too short; where all are, to reject them would leave none."""
    longest = int(panel.lengths.max())
    if longest >= horizon + min_train:
        return (
            f"Raise contract.min_length to {horizon + min_train} so that they are rejected, or set a smaller "
            "model.min_train or horizon."
        )
    room = longest - 2 * horizon  # what a fold leaves to train on, once it and the holdout are taken off
    if room > 0:
        return f"The longest has {longest}: bring more history, or set model.min_train to {room} or less."
    most = max((longest - 1) // 2, 1)
    return f"The longest has {longest}: bring more history, or set model.horizon to {most} or less and model.min_train."


def _predicted(champion: Champion, panel: Panel, origins: np.ndarray, horizon: int, lead: int) -> Predicted:
    """Return the forecasts of one panel that begin `lead` steps after its ends."""
    times, made = forecast_after(champion.model, panel, horizon, lead)
    n = panel.n_series
    columns = {
        "series_id": panel.ids.repeat(horizon),
        "timestamp": times.ravel().astype("datetime64[us]"),
        "step": np.tile(np.arange(1, horizon + 1, dtype=np.int32), n),
        "forecast": made.mean.ravel(),
        "model_name": [champion.version.name] * (n * horizon),
        "model_version": [champion.version.version] * (n * horizon),
        "input_row_id": origins.repeat(horizon),
        NOTE: [made.notes.get(i) for i in range(n) for _ in range(horizon)],
    }
    for name, bound in zip(bound_names(champion.model.levels), made.bounds, strict=True):
        columns[name] = bound.ravel()
    return Predicted(columns, n, {FELL_BACK: len(made.fell_back)})


def _without_forecast(champion: Champion, freq: str, untold: Mapping[str, LeftOut], as_of: str) -> dict[str, Any]:
    """Return the output's columns of series without a forecast: a row each, of step 0 at as_of."""
    n = len(untold)
    at = period_starts(np.array([pd.Period(as_of, freq).ordinal] if n else [], dtype=np.int64), freq)
    return {
        "series_id": list(untold),
        "timestamp": at.repeat(n).astype("datetime64[us]"),
        "step": [0] * n,
        "model_name": [champion.version.name] * n,
        "model_version": [champion.version.version] * n,
        "input_row_id": [each.row_id for each in untold.values()],
        NOTE: [each.why(as_of) for each in untold.values()],
        **dict.fromkeys(("forecast", *bound_names(champion.model.levels)), [None] * n),
    }


def _hash(ids: np.ndarray, ends: np.ndarray, actual: np.ndarray) -> str:
    content = hashlib.sha256("\0".join(ids).encode())
    content.update(ends.tobytes())
    content.update(actual.tobytes())
    return content.hexdigest()
