"""The frequencies of series: pandas' period aliases, and what its other names for them stand for."""

import re

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
UNITS = {"T": "min", "MIN": "min", "H": "h", "D": "D", "W": "W", "MS": "M", "ME": "M", "Q": "Q", "QE": "Q", "QS": "Q"}
UNITS |= {"Y": "Y", "YE": "Y", "YS": "Y", "A": "Y", "AS": "Y"}
"""By pandas' names of offsets in capitals, old ones and new ones, what the period is called."""

WORDS = {"minutely": "min", "hourly": "h", "daily": "D", "weekly": "W-SUN", "monthly": "M", "quarterly": "Q-DEC"}
WORDS |= {"yearly": "Y-DEC", "annual": "Y-DEC", "month": "M", "day": "D", "hour": "h", "week": "W-SUN", "year": "Y-DEC"}
EXAMPLES = {"W": "W-SUN", "Q": "Q-DEC", "Y": "Y-DEC"}
ACCEPTED = "M, D, h, min, W-SUN, Q-DEC or Y-DEC, several of them as 15min"


def period_alias(text: str) -> str:
    """Return pandas' period alias of a frequency: itself, or what an offset of pandas stands for.

    ``MS`` and ``ME`` are ``M``; ``H`` is ``h``; ``15T`` is ``15min``; ``QS-OCT``, quarters that begin in October, is
    ``Q-DEC``; ``YS``, years that begin in January, is ``Y-DEC``.

    Raises
    ------
    ValueError
        No frequency that series can have here; the message says what to write.
    """
    count, name, anchor = _parts(text)
    unit = "M" if name == "M" else UNITS.get(name.upper()) if name != "ms" else None
    if unit is None or (count and int(count) == 0):
        raise ValueError(f"frequency {text!r}: {_advice(text, name)}")
    known = {"W": DAYS, "Q": MONTHS, "Y": MONTHS}.get(unit, ())
    if anchor and anchor not in known:
        wanted = f"one of {', '.join(known)}" if known else "nothing"
        raise ValueError(f"frequency {text!r}: after {name}- comes {wanted}, as in {EXAMPLES.get(unit, unit)}")
    starts = name.upper() in {"QS", "YS", "AS"}
    if starts or name.upper() in {"QE", "YE", "A"}:  # Q, Y and W alone stay as they were written
        anchor = _last_month(unit, anchor or "JAN") if starts else anchor or "DEC"
    return f"{count.lstrip('0')}{unit}{'-' if anchor else ''}{anchor}"


def _parts(text: str) -> tuple[str, str, str]:
    """Return count, name and anchor of a frequency; the name is all of it where it has another form."""
    found = re.fullmatch(r"(\d*)([A-Za-z]+)(?:-([A-Za-z]+))?", text.strip())
    if found is None:
        return "", text, ""
    count, name, anchor = found.groups(default="")
    return count, name, anchor.upper()


def _last_month(unit: str, first: str) -> str:
    """Return the month in which a quarter or year that begins with a month ends; a quarter's last one of a year."""
    months = 3 if unit == "Q" else 12
    ends = (MONTHS.index(first) + months - 1) % 12
    # Quarters that end in March, June, September and December are those of Q-DEC, whichever of them is named.
    return MONTHS[ends % 3 + 9 if unit == "Q" else ends]


def _advice(text: str, name: str) -> str:
    if name.upper() in {"B", "C"}:
        return (
            "business days are not supported: write D with contract.max_gap: 2, which fills week-ends, or 4, which "
            "fills holidays beside them too"
        )
    if name.upper() in {"S", "SEC", "MS", "US", "NS", "L", "U", "N"}:
        return "seconds and less are not supported: bring means or sums of minutes, and write min"
    if name == "m":
        return "write M for months, or min for minutes"
    if text.lower() in WORDS:
        return f"write {WORDS[text.lower()]}"
    return f"write {ACCEPTED}"
