"""The cohorts that the champions see in the market, by role and area."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files

from xflow.adapters.board_reader import Reading, Row
from xflow.serving.board.names import Names, names_of
from xflow.serving.board.view import Json, View, models_of, predicts, utc

ORDER = """
SELECT target, min(probabilities) AS probabilities FROM mart.${pipeline}_prediction
WHERE run_key = %(run_key)s GROUP BY target
"""
LISTED = timedelta(days=30)
"""So long hh.ru lists a vacancy: what was predicted earlier has hardly stayed open."""
MOST_ROWS = 100_000
"""Predictions that are added up at most, which takes about a second; of a newest run that has more, a sample."""
LOOKED_AT = 1_000
MOST_PARTS = 20


@dataclass(frozen=True, slots=True)
class Cohorts:
    """What a pipeline's versions predict for the vacancies of the last days, added up.

    Attributes
    ----------
    run, since
        The newest predict run, and the oldest data among those that count; None: there is none.
    versions
        Model name and version by target.
    order
        Names of the cohorts by target, ascending.
    cells
        One row a target, role, area and cohort: `expected` is the sum of its probabilities, `likeliest` the number of
        vacancies of which it is the likeliest.
    sample
        One vacancy in so many was looked at; 1: all.
    """

    run: Row | None
    since: str | None
    versions: dict[str, tuple[str, str]]
    order: dict[str, list[str]]
    cells: list[Row]
    names: Names
    sample: int = 1


def added_up(view: View, name: str) -> Cohorts:
    """Return the newest prediction of every vacancy, added up by role and area.

    Of each target only the version counts that made the newest run: cohorts of others may be different ones.
    """
    pipeline = view.vacancy_pipeline(name)
    with view.reader.reading("add up cohorts for the board") as reading:
        runs = _recent(predicts(reading, pipeline.name, LOOKED_AT))
        if not runs or not reading.has(f"{pipeline.name}_prediction", f"{pipeline.name}_input"):
            return Cohorts(None, None, {}, {}, [], Names({}, {}))
        made = dict(models_of(runs[0]))
        known = {target: pipeline.model_name(target) for target in pipeline.targets}
        sample = -(-sum(row["rows_out"] or 0 for row in runs) // MOST_ROWS) or 1
        versions = {target: (model, made[model]) for target, model in known.items() if model in made}
        return Cohorts(
            run=runs[0],
            since=utc(runs[-1]["as_of"]),
            versions=versions,
            order=_order(reading, pipeline.name, runs[0]),
            cells=_cells(reading, pipeline.name, runs, versions, sample),
            names=names_of(reading, pipeline),
            sample=sample,
        )


def cohorts(found: Cohorts, role: str | None, area: str | None) -> Json:
    """Return the cohorts of a role and an area, or of all."""
    return {
        "role": role,
        "area": area,
        "run_id": found.run["run_id"] if found.run else None,
        "at": utc(found.run["started_at"]) if found.run else None,
        "since": found.since,
        "sample": found.sample,
        "targets": [_target(found, target, role, area) for target in found.versions],
    }


def _recent(runs: Sequence[Row]) -> list[Row]:
    """Return the newest run and those of the days before it, as long as their rows are not too many."""
    kept: list[Row] = []
    rows = 0
    for run in runs:
        rows += run["rows_out"] or 0
        if kept and (rows > MOST_ROWS or _older(run, kept[0])):
            break
        kept.append(run)
    return kept


def _older(run: Row, newest: Row) -> bool:
    if not run["as_of"] or not newest["as_of"]:
        return True
    return datetime.fromisoformat(run["as_of"]) < datetime.fromisoformat(newest["as_of"]) - LISTED


def _order(reading: Reading, pipeline: str, run: Row) -> dict[str, list[str]]:
    """Return the cohorts of each target; the JSON of a prediction has them in their order."""
    rows = reading.rows(ORDER, {"run_key": run["run_key"]}, pipeline=pipeline)
    return {row["target"]: list(json.loads(row["probabilities"])) for row in rows}


def _cells(
    reading: Reading, pipeline: str, runs: Sequence[Row], versions: Mapping[str, tuple[str, str]], every: int
) -> list[Row]:
    if not versions:
        return []
    statement = files("xflow.sql").joinpath("board_cohorts.sql").read_text(encoding="utf-8")
    keys = [row["run_key"] for row in runs]
    numbers = tuple((target, version) for target, (_, version) in versions.items())
    asked = {"runs": keys, "versions": numbers, "every": every}
    return reading.rows(statement, asked, pipeline=pipeline)


def _target(found: Cohorts, target: str, role: str | None, area: str | None) -> Json:
    model, version = found.versions[target]
    cells = [cell for cell in found.cells if cell["target"] == target]
    order = found.order.get(target, [])
    chosen = [cell for cell in cells if role in {None, cell["role"]} and area in {None, cell["area"]}]
    vacancies = _vacancies(chosen)
    expected, likeliest = _sums(chosen, "expected"), _sums(chosen, "likeliest")
    of_area = [cell for cell in cells if area in {None, cell["area"]}]
    of_role = [cell for cell in cells if role in {None, cell["role"]}]
    return {
        "target": target,
        "model": model,
        "version": version,
        "vacancies": vacancies,
        "cohorts": [
            {
                "cohort": name,
                "expected": expected[name],
                "share": expected[name] / vacancies if vacancies else None,
                "likeliest": int(likeliest[name]),
            }
            for name in order
        ],
        "by_role": _parts(of_area, "role", found.names.role, order),
        "by_area": _parts(of_role, "area", found.names.area, order),
    }


def _parts(cells: Sequence[Row], column: str, called: Callable[[str], str], order: Sequence[str]) -> list[Json]:
    """Return the largest parts, each with the shares of its cohorts."""
    parts: defaultdict[str, list[Row]] = defaultdict(list)
    for cell in cells:
        if cell[column]:
            parts[cell[column]].append(cell)
    made = []
    for number in sorted(parts, key=lambda each: (-_vacancies(parts[each]), each))[:MOST_PARTS]:
        vacancies, expected = _vacancies(parts[number]), _sums(parts[number], "expected")
        shares = [expected[name] / vacancies for name in order]
        made.append({"id": number, "name": called(number), "vacancies": vacancies, "shares": shares})
    return made


def _vacancies(cells: Sequence[Row]) -> int:
    return sum(cell["likeliest"] for cell in cells)  # a vacancy has one likeliest cohort


def _sums(cells: Sequence[Row], column: str) -> defaultdict[str, float]:
    found: defaultdict[str, float] = defaultdict(float)
    for cell in cells:
        found[cell["cohort"]] += cell[column]
    return found
