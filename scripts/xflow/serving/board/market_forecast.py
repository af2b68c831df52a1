"""The forecast of a vacancy market, by the pipeline that forecasts it."""

from collections.abc import Sequence

from xflow.adapters.board_reader import Reading, Row
from xflow.pipeline import Pipeline
from xflow.serving.board.series import intervals_of
from xflow.serving.board.view import Json, View, predicts, utc
from xflow.vacancy_pipeline import VacancyPipeline

# Names are open|<role>|<area> and salary|<role>|<area>.
POINTS = """
SELECT * FROM mart.${pipeline}_prediction
WHERE run_key = %(run_key)s AND series_id = ANY(%(series)s) AND forecast IS NOT NULL
ORDER BY "timestamp", series_id
LIMIT 50000
"""
COVERED = 0.98
"""Share of the open vacancies that the forecast series of a choice must stand for, to be added up for it."""


def market_forecast(
    view: View,
    reading: Reading,
    pipeline: VacancyPipeline,
    groups: Sequence[Row],
    chosen: tuple[str | None, str | None],
) -> Json | None:
    """Return the forecast of what was chosen; None when nobody forecasts it.

    Parameters
    ----------
    groups
        Roles and areas of the choice on the newest day: of several, their open vacancies are added up, which no
        interval can be. A median of a median is none, so salaries are those of one role and one area.
    chosen
        Role and area; None: all.
    """
    forecasting = view.pipelines.get(pipeline.collect.market or "") if pipeline.collect else None
    if not isinstance(forecasting, Pipeline) or not groups or not reading.has(f"{forecasting.name}_prediction"):
        return None
    runs = predicts(reading, forecasting.name, 1)
    if not runs:
        return None
    names = [f"{kind}|{row['role']}|{row['area']}" for kind in ("open", "salary") for row in groups]
    points = reading.rows(POINTS, {"run_key": runs[0]["run_key"], "series": names}, pipeline=forecasting.name)
    one = None not in chosen
    demand = _demand([row for row in points if row["series_id"].startswith("open|")], groups, one=one)
    salary = [_point(row) for row in points if one and row["series_id"].startswith("salary|")]
    if not demand and not salary:
        return None
    return {
        "pipeline": forecasting.name,
        "run_id": runs[0]["run_id"],
        "made_at": utc(runs[0]["started_at"]),
        "version": points[0]["model_version"],
        "series": len({row["series_id"] for row in points}),
        "open": demand,
        "salary": salary,
    }


def _demand(points: Sequence[Row], groups: Sequence[Row], *, one: bool) -> list[Json]:
    if one:
        return [_point(row) for row in points]
    known = {row["series_id"] for row in points}
    covered = sum(row["open"] for row in groups if f"open|{row['role']}|{row['area']}" in known)
    if covered < COVERED * sum(row["open"] for row in groups) or not covered:
        return []
    times = sorted({row["timestamp"] for row in points})
    by_time = {at: [row for row in points if row["timestamp"] == at] for at in times}
    whole = {at: rows for at, rows in by_time.items() if len(rows) == len(known)}
    return [
        {"at": utc(at), "forecast": sum(row["forecast"] for row in rows), "intervals": {}} for at, rows in whole.items()
    ]


def _point(row: Row) -> Json:
    return {"at": utc(row["timestamp"]), "forecast": row["forecast"], "intervals": intervals_of(row)}
