"""How much the service has predicted, as the mart's log of served predictions has it."""

from datetime import UTC, datetime, timedelta

from xflow.serving.board.view import Json, View, utc

HOURS = """
SELECT date_trunc('hour', served_at) AS hour, count(*) AS rows FROM mart.served_prediction
WHERE served_at >= %(since)s GROUP BY 1
"""
MODELS = """
SELECT pipeline, model_name, model_version, count(*) AS rows, min(served_at) AS first, max(served_at) AS last
FROM mart.served_prediction WHERE served_at >= %(since)s
GROUP BY pipeline, model_name, model_version
ORDER BY pipeline, model_name, length(model_version), model_version
LIMIT 200
"""
# Every row of a request states the seconds of all of it.
REQUESTS = """
SELECT count(*) AS requests, 1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS median_ms,
       1000 * percentile_cont(0.99) WITHIN GROUP (ORDER BY seconds) AS p99_ms
FROM (
    SELECT request_id, max(seconds) AS seconds FROM mart.served_prediction
    WHERE served_at >= %(since)s GROUP BY request_id
) request
"""
HOUR = timedelta(hours=1)


def served(view: View, hours: int) -> Json:
    """Return the predictions served in the last hours, the one under way among them."""
    last = datetime.now(UTC).replace(tzinfo=None, minute=0, second=0, microsecond=0)
    every = [last - number * HOUR for number in reversed(range(hours))]
    asked = {"since": every[0]}
    with view.reader.reading("read served predictions for the board") as reading:
        stands = reading.has("served_prediction")
        by_hour = {row["hour"]: row["rows"] for row in reading.rows(HOURS, asked)} if stands else {}
        by_model = reading.rows(MODELS, asked) if stands else []
        requests = reading.row(REQUESTS, asked) if stands else None
    return {
        "hours": hours,
        "total": sum(by_hour.values()),
        **(requests or {"requests": 0, "median_ms": None, "p99_ms": None}),
        "by_hour": [{"hour": utc(hour), "rows": by_hour.get(hour, 0)} for hour in every],
        "by_model": [
            {
                "pipeline": row["pipeline"],
                "model": row["model_name"],
                "version": row["model_version"],
                "rows": row["rows"],
                "first": utc(row["first"]),
                "last": utc(row["last"]),
            }
            for row in by_model
        ],
    }
