"""The series of a forecasting pipeline: found by name, and one of them with its forecasts."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from xflow.adapters.board_reader import Reading, Row
from xflow.columns import NOTE
from xflow.serving.board.view import Json, View, predicts, utc
from xflow.serving.problems import Problem

NAMES = """
SELECT DISTINCT series_id FROM mart.${pipeline}_prediction WHERE run_key = %(run_key)s
"""
NEWEST_INPUT = """
SELECT run_key FROM mart.run
WHERE pipeline = %(pipeline)s AND kind IN ('train', 'predict') AND state IN ('success', 'partly')
ORDER BY as_of COLLATE "C" DESC NULLS LAST, started_at DESC, run_key DESC
LIMIT 1
"""
HISTORY = """
SELECT run_key, row_id, "timestamp" AS at, value FROM mart.${pipeline}_input
WHERE run_key = ANY(%(runs)s) AND series_id = %(series)s
ORDER BY "timestamp" DESC
LIMIT %(limit)s
"""
FORECASTS = """
SELECT * FROM mart.${pipeline}_prediction
WHERE run_key = ANY(%(runs)s) AND series_id = %(series)s
ORDER BY run_key, step
LIMIT 20000
"""
EARLIER = 3
LOOKED_AT = 40
"""Predict runs among which earlier origins are looked for."""
LEVEL = "lower_"


def listed(view: View, name: str, text: str, limit: int) -> Json:
    """Return names of series of the newest prediction that hold a text, in any case; short names first."""
    pipeline = view.series_pipeline(name)
    with view.reader.reading("search series for the board") as reading:
        newest = predicts(reading, pipeline.name, 1)
        if not newest or not reading.has(f"{pipeline.name}_prediction"):
            return {"series": [], "total": 0, "run_id": None, "at": None}
        rows = reading.rows(NAMES, {"run_key": newest[0]["run_key"]}, pipeline=pipeline.name)
    names = _holding(text, [row["series_id"] for row in rows])
    run = newest[0]
    return {"series": names[:limit], "total": len(names), "run_id": run["run_id"], "at": utc(run["started_at"])}


def _holding(text: str, names: Sequence[str]) -> list[str]:
    """Return the names that hold a text, in any case; short ones first.

    Servers differ in it: of an empty text, in the case of letters other than a to z, and in the order of names.
    """
    wanted = text.casefold()
    return sorted((name for name in names if wanted in name.casefold()), key=lambda name: (len(name), name))


def forecast(view: View, name: str, series: str, periods: int) -> Json:
    """Return the last periods of a series, its newest forecast, and earlier ones to hold against what came true.

    Raises
    ------
    Problem
        404: nothing is known of such a series.
    """
    pipeline = view.series_pipeline(name)
    with view.reader.reading("read a forecast for the board") as reading:
        runs = _origins(reading, pipeline.name)
        history = _history(reading, pipeline.name, runs, series, periods)
        made = _made(reading, pipeline.name, runs, series)
    if not history and not made:
        raise Problem(404, f"nothing is known of a series {series[:60]}", {"query.series": "unknown"})
    newest, *earlier = made or [[]]
    earlier = [points for points in earlier if points[0]["step"]]
    origins = {(row["run_key"], row["row_id"]): row["at"] for row in history}
    known = {row["run_key"]: row for row in runs}
    first = known[newest[0]["run_key"]] if newest else None
    return {
        "series": series,
        "frequency": pipeline.contract.frequency,
        "history": _merged(history, [row["run_key"] for row in runs], periods),
        "forecast": _shown(newest, known, origins, intervals=True) if newest else None,
        "earlier": [_shown(each, known, origins, intervals=False) for each in reversed(earlier)],
        "links": {
            "run": view.links.run(pipeline.name, "predict", first["run_id"], first["bundle"]) if first else None,
        },
    }


def _origins(reading: Reading, pipeline: str) -> list[Row]:
    """Return the newest predict run and those of earlier data, one of each date, the newest data first."""
    by_date: dict[str, Row] = {}
    for row in predicts(reading, pipeline, LOOKED_AT):
        by_date.setdefault(row["as_of"] or "", row)
    return list(by_date.values())[: EARLIER + 1]


def _history(reading: Reading, pipeline: str, runs: Sequence[Row], series: str, periods: int) -> list[Row]:
    """Return what the runs, and the newest one that read input, know of a series."""
    if not reading.has("run", f"{pipeline}_input"):
        return []
    newest = [row["run_key"] for row in reading.rows(NEWEST_INPUT, {"pipeline": pipeline})]
    keys = list(dict.fromkeys([*newest, *(row["run_key"] for row in runs)]))
    asked = {"runs": keys, "series": series, "limit": periods * len(keys)}
    return reading.rows(HISTORY, asked, pipeline=pipeline)


def _made(reading: Reading, pipeline: str, runs: Sequence[Row], series: str) -> list[list[Row]]:
    """Return the forecasts of a series, of each run that made one, in the order of the runs."""
    if not runs or not reading.has(f"{pipeline}_prediction"):
        return []
    keys = [row["run_key"] for row in runs]
    rows = reading.rows(FORECASTS, {"runs": keys, "series": series}, pipeline=pipeline)
    return [found for key in keys if (found := [row for row in rows if row["run_key"] == key])]


def _merged(history: Sequence[Row], order: Sequence[str], periods: int) -> list[Json]:
    """Return one value a period: late values fill in, and the run of the newest data wins."""
    rank = {key: place for place, key in enumerate(order)}
    # The run that is none of the predictions' has the newest data of all.
    by_time: dict[str, float | None] = {}
    for row in sorted(history, key=lambda row: rank.get(row["run_key"], -1), reverse=True):
        at = str(utc(row["at"]))
        if row["value"] is not None or at not in by_time:
            by_time[at] = row["value"]
    # Beyond the last value there may be rows of exogenous values alone.
    last = max((at for at, value in by_time.items() if value is not None), default="")
    return [{"at": at, "value": by_time[at]} for at in sorted(by_time) if at <= last][-periods:]


def _shown(
    points: Sequence[Row], runs: Mapping[str, Row], origins: Mapping[tuple[str, int], datetime], *, intervals: bool
) -> Json:
    first = points[0]
    run = runs[first["run_key"]]
    origin = origins.get((first["run_key"], first["input_row_id"]))
    return {
        "run_id": run["run_id"],
        "made_at": utc(run["started_at"]),
        "origin": utc(origin),
        "model": first["model_name"],
        "version": first["model_version"],
        "note": first.get(NOTE),
        "points": [
            {
                "at": utc(row["timestamp"]),
                "step": row["step"],
                "forecast": row["forecast"],
                "intervals": intervals_of(row) if intervals else {},
            }
            for row in points
            if row["step"]  # of step 0 a row says why there is no forecast
        ],
    }


def intervals_of(row: Row) -> dict[str, list[float]]:
    """Return the bounds of a forecast by level in percent."""
    levels = [name.removeprefix(LEVEL) for name in row if name.startswith(LEVEL)]
    return {level: [row[f"lower_{level}"], row[f"upper_{level}"]] for level in levels}
