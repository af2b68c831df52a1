"""Time zones that a contract may name."""

from datetime import UTC, datetime
from difflib import get_close_matches
from zoneinfo import ZoneInfo, available_timezones

_MOMENTS = tuple(datetime(year, month, 15, tzinfo=UTC) for year in range(1990, 2027) for month in (1, 4, 7, 10))


def check_zone(name: str, *, shifts: bool) -> None:
    """Refuse a zone that is none, or, with `shifts`, one whose clocks were put forward or back since 1990.

    Where clocks are shifted, an hour of the local time is missing and another one comes twice: data by the hour or
    by minutes have gaps and doubles by such a clock, which they have not in UTC.

    Raises
    ------
    ValueError
        The message says what to write instead.
    """
    known = available_timezones()
    if name not in known:
        close = get_close_matches(name, known, n=3, cutoff=0.5)
        meant = f"; did you mean {' or '.join(close)}?" if close else ""
        raise ValueError(f"timezone {name!r} is no zone of the IANA database, as Europe/Moscow or UTC{meant}")
    if shifts and len({moment.astimezone(ZoneInfo(name)).utcoffset() for moment in _MOMENTS}) > 1:
        raise ValueError(
            f"the clocks of timezone {name} were shifted: by them, an hour is missing and another one comes twice. "
            "Leave timezone out, and hours and minutes are those of UTC, which timestamps with a zone are converted to"
        )
