"""The drift gate on real history: how often it alarms when nothing changed, and what of injected faults it finds.

Nothing changed: a model is trained as of one date, and the same series come back some steps later; the same source is
split at random, by series or by employers, and one half is held against the other. Every replay goes through the
functions of the gate's step, but for Evidently's report: its p-values are of the same tests, without the page.
Faults are injected into a replay; real drift is another dump.
"""

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp

import vacancy_dumps
from bench_accuracy import m4_hourly, monthly
from drift_faults import series_faults, vacancy_faults
from xflow.domain.backtest import plan_folds, split
from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.drift import Check, Column, Drift, Finding, Level, Limits, compare, judge
from xflow.domain.drift_tests import contingency
from xflow.domain.drift_vacancies import sample as drawn
from xflow.domain.forecaster import Forecaster, fit_intervals
from xflow.domain.panel import Panel
from xflow.domain.vacancies import candidates, splits
from xflow.domain.vacancies.model import CohortModel, fit_model
from xflow.pipeline_base import DriftPolicy
from xflow.steps.kinds.cohort_data import identities
from xflow.steps.kinds.cohort_drift import CohortDrift
from xflow.steps.kinds.drift_kind import DriftKind, Reference, Sample
from xflow.steps.kinds.series_drift import SeriesDrift

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("XFLOW_DATA") or REPOSITORY.parent / "shared" / "data")
POLICY = DriftPolicy()
SERIES, VACANCIES = SeriesDrift(), CohortDrift()
TEXTS, FIELDS = ("responsibility",), ("area_id", "experience_id", "employment_id", "schedule_id")


class Tally:
    """Replays and the alarms among them."""

    def __init__(self, name: str) -> None:
        self.name, self.replays, self.levels = name, 0, Counter()
        self.columns: Counter[str] = Counter()
        self.largest: dict[str, float] = {}

    def add(self, drift: Drift) -> None:
        """Count one replay."""
        self.replays += 1
        self.levels[drift.verdict] += 1
        self.columns.update({f"{each.column} ({each.check})" for each in drift.drifted})
        for each in drift.findings:
            if each.adjusted < POLICY.alpha:
                self.largest[each.column] = max(self.largest.get(each.column, 0.0), each.share)

    def row(self) -> str:
        """Return a line of the table."""
        alarms = self.levels[Level.WARN] + self.levels[Level.STOP]
        which = ", ".join(f"{name} {count}" for name, count in self.columns.most_common(4))
        close = ", ".join(
            f"{name} {share:.0%}" for name, share in sorted(self.largest.items(), key=lambda e: -e[1])[:3]
        )
        rate = f"{alarms / max(self.replays, 1):.1%}"
        return f"| {self.name} | {self.replays} | {alarms} | {self.levels[Level.STOP]} | {rate} | {which} | {close} |"


def fitted(history: Panel, seasonality: int, horizon: int, params: dict[str, object]) -> Forecaster:
    """Fit the global model with fixed parameters, and intervals by one fold of the seasonal naive."""
    setting = Setting(seasonality, horizon)
    folds = plan_folds(history.lengths, horizon, 1, 2 * seasonality + 1)
    naive = build_candidate("seasonal_naive", {}, setting)
    before, _ = split(history, folds.folds[0], horizon)
    oof = np.full((1, history.n_series, horizon), np.nan)
    oof[0, folds.folds[0].members] = naive.fit(before).forecast(before, horizon)
    intervals = fit_intervals(history, folds, oof, (0.8, 0.95), seasonality)
    members = {"global_xgb": (1.0, build_candidate("global_xgb", params, setting))}
    return Forecaster.fit(history, members, intervals, seasonality, horizon)


def verdict(columns: Sequence[Column], old: pd.DataFrame, new: pd.DataFrame, counted: list[Finding]) -> Drift:
    """Return the verdict on rows as `xflow.steps.check_drift.examined` does."""
    p_values = {}
    for column in columns:
        first, second = old[column.name].dropna(), new[column.name].dropna()
        if Check.DISTRIBUTION in column.checks and len(first) and len(second):
            test = contingency if column.kind == "category" else lambda one, other: ks_2samp(one, other).pvalue
            p_values[column.name] = test(first, second)
    return judge([*compare(old, new, columns, p_values), *counted], Limits(POLICY.alpha, POLICY.warn, POLICY.stop))


def examined(kind: DriftKind, model: Any, reference: Reference, sample: Sample, ignore: tuple[str, ...] = ()) -> Drift:
    """Return the verdict on a sample."""
    rows, counted = kind.against(reference, kind.profile(sample, model), sample)
    columns = [each for each in kind.columns(model) if each.name not in ignore]
    return verdict(columns, reference.frame, rows, [each for each in counted if each.column not in ignore])


def judged(model: Forecaster, reference: Reference, current: Panel, ignore: tuple[str, ...] = ()) -> Drift:
    """Return the gate's verdict on a panel."""
    return examined(SERIES, model, reference, SERIES.drawn(current, POLICY.sample), ignore)


@dataclass(frozen=True)
class Source:
    """Series to replay.

    `dates` are how many of the last values are not yet known at each training, `later` the steps that pass until a
    prediction, `params` those of the global model.
    """

    name: str
    panel: Panel
    seasonality: int
    horizon: int
    dates: tuple[int, ...]
    later: tuple[int, ...]
    params: dict[str, object]


def sources() -> Iterator[Source]:
    """Yield the sources of series."""
    cheap = {"rows": 50_000, "trees": 60, "depth": 5}
    for dataset, horizon, dates in (("Tourism", 24, (72, 60, 48, 36, 24)), ("M3", 18, (30, 24, 18))):
        history, actual = monthly(dataset)
        whole = [np.concatenate([history.series(i), actual[i]]) for i in range(history.n_series)]
        panel = Panel.from_series("M", list(history.ids), history.ends + actual.shape[1], whole)
        later = tuple(k for k in (0, 1, 2, 3, 6, 9, 12, 18, 24) if k <= horizon)
        yield Source(f"{dataset} monthly", panel, 12, horizon, dates, later, cheap | {"calendar": False})
    folder = DATA / "series" / "m4_hourly"
    if folder.exists():
        history, actual = m4_hourly(folder)
        whole = [np.concatenate([history.series(i), actual[i]]) for i in range(history.n_series)]
        panel = Panel.from_series("h", list(history.ids), history.ends + actual.shape[1], whole)
        yield Source("M4 hourly", panel, 24, 48, (240, 192, 144, 96, 48), (0, 1, 6, 12, 24, 36, 48), cheap)


def known(source: Source, drop: int) -> Panel:
    """Return what was known before the last `drop` values, of series that are long enough at every date."""
    longest, needed = max(source.dates), 3 * source.horizon + 2 * source.seasonality + 1
    long = source.panel.lengths >= longest + needed
    return source.panel.select(np.flatnonzero(long)).head(drop)


def replay_series(source: Source, splits_: int, tallies: list[Tally]) -> tuple[Forecaster, Reference, Panel]:
    """Replay one source; return the last training and the panel of its last date."""
    later, halves = Tally(f"{source.name}: the same series later"), Tally(f"{source.name}: other series of the source")
    rng = np.random.default_rng(0)
    for drop in source.dates:
        training = known(source, drop)
        model = fitted(training.head(source.horizon), source.seasonality, source.horizon, source.params)
        reference = SERIES.profile(SERIES.drawn(training, POLICY.sample), model)
        for steps in source.later:
            if steps <= drop:
                later.add(judged(model, reference, known(source, drop - steps)))
        for _ in range(splits_ // len(source.dates)):
            order = rng.permutation(training.n_series)
            first, second = (training.select(np.sort(part)) for part in np.array_split(order, 2))
            one = SERIES.profile(SERIES.drawn(first, POLICY.sample), model)
            halves.add(judged(model, one, second, ("series", "moved")))
    tallies += [later, halves]
    return model, reference, training


def cohort_model(frame: pd.DataFrame, text: tuple[str, ...], fields: tuple[str, ...]) -> CohortModel:
    """Fit the logistic candidate as it comes, calibrated out of fold."""
    labels = vacancy_dumps.net_salary(frame)
    setting = candidates.Setting(text, fields, (), 0, "cpu")
    folds = splits.folds(vacancy_dumps.group(frame), labels.codes, 2, 0)
    oof = np.zeros(labels.feasible.shape)
    for train, test in folds:
        made = candidates.build("logistic", {}, setting).fit(frame.iloc[train], labels.take(train))
        oof[test] = made.probabilities(frame.iloc[test])
    model = fit_model(
        {"logistic": (1.0, candidates.build("logistic", {}, setting))},
        {"logistic": oof},
        frame=frame, labels=labels, target="salary", boundaries=(), measure="", texts=text, categories=fields,
    )  # fmt: skip
    return replace(model, learned=frozenset(identities(frame).ravel().tolist()))


def described(frame: pd.DataFrame, model: CohortModel) -> Reference:
    """Return the profile of a frame."""
    return VACANCIES.profile(Sample(drawn(frame, POLICY.sample)), model)


def seen(model: CohortModel, reference: Reference, current: pd.DataFrame) -> Drift:
    """Return the gate's verdict on a frame."""
    return examined(VACANCIES, model, reference, Sample(drawn(current, POLICY.sample)))


def replay_vacancies(path: Path, count: int, tallies: list[Tally]) -> tuple[CohortModel, Reference, pd.DataFrame]:
    """Replay one dump: a model of a third of its employers, and random halves of the others, near-duplicates apart."""
    frame = vacancy_dumps.load(path)
    rng = np.random.default_rng(3)
    groups = vacancy_dumps.group(frame)
    third = rng.random(groups.max() + 1)[groups] < 1 / 3
    fields = tuple(name for name in FIELDS if (frame[name] != "").any())
    model = cohort_model(frame[third].reset_index(drop=True), TEXTS, fields)
    others, groups = frame[~third].reset_index(drop=True), groups[~third]
    every = VACANCIES.profile(Sample(others), model).frame.set_index("vacancy_id", drop=False)
    name = path.parent.name
    whole, small = Tally(f"{name}: other employers"), Tally(f"{name}: 30 vacancies of other employers")

    def half(rows: pd.DataFrame) -> pd.DataFrame:
        return every.loc[drawn(rows, POLICY.sample)["vacancy_id"]].reset_index(drop=True)

    for _ in range(count):
        first = rng.random(groups.max() + 1)[groups] < 0.5
        second = others[~first]
        reference = Reference(half(others[first]))
        whole.add(verdict(VACANCIES.columns(model), reference.frame, half(second), []))
        few = half(second.sample(30, random_state=rng.integers(2**31)))
        small.add(verdict(VACANCIES.columns(model), reference.frame, few, []))
    tallies += [whole, small]
    return model, reference, second.reset_index(drop=True)


def false_alarms(tallies: list[Tally]) -> None:
    """Print the table of replays."""
    print("\n| nothing changed | replays | alarms | of them stops | rate | by column | largest significant share |")
    print("|---|---:|---:|---:|---:|---|---|")
    for each in tallies:
        print(each.row())
    replays, alarms = (
        sum(each.replays for each in tallies),
        sum(each.levels[Level.WARN] + each.levels[Level.STOP] for each in tallies),
    )
    print(f"\n{alarms} alarms in {replays} replays.")


def power_row(name: str, verdicts: dict[str, Drift]) -> None:
    """Print what the gate said of one fault in each source."""
    cells = []
    for drift in verdicts.values():
        worst = drift.drifted[0] if drift.drifted else None
        cells.append(drift.verdict + (f": {worst.column} {worst.share:.0%}" if worst else ""))
    print(f"| {name} | " + " | ".join(cells) + " |")


def series(fast: bool) -> None:
    """Print the tables of series."""
    tallies: list[Tally] = []
    done = {
        source.name: (source, *replay_series(source, 5 if fast else 100, tallies))
        for source in sources()
        if not fast or source.name == "Tourism monthly"
    }
    false_alarms(tallies)
    print("\n| fault | " + " | ".join(done) + " |\n|---|" + "---|" * len(done))
    faults = {name: series_faults(each[0].seasonality, each[0].horizon) for name, each in done.items()}
    for fault in next(iter(faults.values())):
        found = {n: judged(model, ref, faults[n][fault](panel)) for n, (_, model, ref, panel) in done.items()}
        power_row(fault, found)


def vacancies(fast: bool) -> None:
    """Print the tables of vacancies."""
    tallies: list[Tally] = []
    paths = {path.parent.name: path for path in sorted(vacancy_dumps.folder().glob("*/vacancies.parquet"))}
    names = [*paths][: 1 if fast else None]
    done = {name: replay_vacancies(paths[name], 3 if fast else 100, tallies) for name in names}
    false_alarms(tallies)
    print("\n| fault | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    broken = {name: vacancy_faults(frame) for name, (_, _, frame) in done.items()}
    for fault in next(iter(broken.values()), {}):
        power_row(fault, {n: seen(model, ref, broken[n][fault]) for n, (model, ref, _) in done.items()})
    for other in names:
        power_row(f"the dump {other}", {n: seen(model, ref, done[other][2]) for n, (model, ref, _) in done.items()})


def main() -> None:
    """Replay every source that is there, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="one source of each kind, few replays: does it run at all?")
    parser.add_argument("--only", choices=["series", "vacancies"], help="one of the two kinds")
    options = parser.parse_args()
    for name, tables in (("series", series), ("vacancies", vacancies)):
        began = time.perf_counter()
        if options.only in {None, name}:
            tables(options.fast)
            print(f"\n{name}: {time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
