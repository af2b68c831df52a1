"""The time of day by which predictions are promised, in UTC."""

from datetime import UTC, datetime, time, timedelta

DAY = timedelta(days=1)


def next_deadline(by: time, after: datetime) -> datetime:
    """Return the first moment after `after` (with a zone) at which the clock shows `by` in UTC."""
    moment = datetime.combine(after.astimezone(UTC).date(), by, UTC)
    return moment if moment > after else moment + DAY


def last_deadline(by: time, now: datetime) -> datetime:
    """Return the last moment up to and with `now` (with a zone) at which the clock showed `by` in UTC."""
    moment = datetime.combine(now.astimezone(UTC).date(), by, UTC)
    return moment if moment <= now else moment - DAY
