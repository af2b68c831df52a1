"""What models see of vacancies: one frame, one row a vacancy, of texts, codes and numbers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from xflow.columns import RESPONSIBILITY, ROW_ID, SNAPSHOT_AT, VACANCY_ID
from xflow.domain.vacancies.contract import rate_of, ticks, time_faults
from xflow.domain.vacancies.salary import net_monthly, stated
from xflow.domain.vacancies.text import clean, lemmas

EMPLOYER = "employer_id"
LEMMAS = "_lemmas"

NUMBERS = ("salary_net", "salary_stated", "days", "closed", "published", "has_history", "entered", "followed")
"""The numbers of a vacancy, float64.

`salary_net` is the monthly net salary in roubles, NaN when none is stated (`salary_stated` 0), or one that gives no
such figure: by the hour, in an unknown currency, from above to. `days` is the lifetime of a closed vacancy (`closed` 1)
and else the age so far, at least 0; NaN when nothing says when it was published, or its times cannot be.
`published` is the latest publication in days since 1970, or the snapshot where there is none. `has_history` says that
snapshots tell when the vacancy was first seen; `entered` is how many days old it was then (NaN without a history), and
`followed` the days from its beginning to as_of, whether it was still there or not.
"""

_DAY = 86_400e6
_NEVER = np.iinfo(np.int64).min


def text_columns(texts: Sequence[str], categories: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of strings: each text cleaned, its lemmas, then the codes, the employer's always."""
    words = [name for text in texts for name in (text, text + LEMMAS)]
    return (*words, *dict.fromkeys((*categories, EMPLOYER)))


def text_frame(frame: pd.DataFrame, texts: Sequence[str], categories: Sequence[str]) -> pd.DataFrame:
    """Return the strings of raw vacancies.

    Parameters
    ----------
    frame
        Texts and categories as the API gives them, in columns of their canonical names; what is null or
        absent becomes ``""``.

    Returns
    -------
    pandas.DataFrame
        Columns `text_columns`, with the index of `frame`.
    """
    made: dict[str, Any] = {}
    for name in text_columns(texts, categories):
        if name.endswith(LEMMAS):
            made[name] = [lemmas(text) for text in made[name.removesuffix(LEMMAS)]]
        else:
            given = frame[name].tolist() if name in frame else [None] * len(frame)
            change = clean if name in texts else _code
            made[name] = [change(None if pd.isna(value) else value) for value in given]
    return pd.DataFrame(made, index=frame.index, dtype=object)


def duties_alone(frame: pd.DataFrame, texts: Sequence[str], categories: Sequence[str]) -> pd.DataFrame:
    """Return a features frame as if nothing were known of vacancies but the text of their duties."""
    kept = {RESPONSIBILITY, RESPONSIBILITY + LEMMAS}
    return frame.assign(**dict.fromkeys({*text_columns(texts, categories)} - kept, ""))


def features_frame(
    rows: pa.RecordBatch,
    row_ids: npt.NDArray[np.int64],
    *,
    texts: Sequence[str],
    categories: Sequence[str],
    rates: Mapping[str, float],
    as_of: datetime | None = None,
) -> pd.DataFrame:
    """Return what models see of accepted vacancies.

    Parameters
    ----------
    rows
        Canonical rows, one a vacancy up to `as_of`; see `VacancyColumns.canonical`.
    row_ids
        Their row ids, shape (n,).
    texts, categories
        Columns that the pipeline uses.
    rates
        As in `VacancyChecker`.
    as_of
        Snapshots after it are left out, and a vacancy closed after it counts as open; None: use all.

    Returns
    -------
    pandas.DataFrame
        `vacancy_id`, `row_id`, `text_columns` and `NUMBERS`. An employer without an id is known by its
        name, so that its vacancies stay together; ``""`` is an anonymous one.
    """
    limit = np.iinfo(np.int64).max if as_of is None else int(np.datetime64(as_of, "us").astype(np.int64))
    used = ticks(rows, SNAPSHOT_AT) <= limit
    rows, row_ids = rows.filter(pa.array(used)), row_ids[used]
    names = {*texts, *categories, EMPLOYER, "employer_name"}
    raw = pd.DataFrame({name: rows.column(name).to_pylist() for name in names}, dtype=object)
    raw[EMPLOYER] = raw[EMPLOYER].where(raw[EMPLOYER].notna(), raw.pop("employer_name"))
    found = text_frame(raw, texts, categories)
    found.insert(0, VACANCY_ID, pd.Series(rows.column(VACANCY_ID).to_pylist(), dtype=object))
    found.insert(1, ROW_ID, row_ids.astype(np.int64))
    for name, values in _numbers(rows, rates, limit).items():
        found[name] = values
    return found


def _numbers(rows: pa.RecordBatch, rates: Mapping[str, float], limit: int) -> dict[str, npt.NDArray[np.float64]]:
    low, high, gross, mode = (
        rows.column(name).to_numpy(zero_copy_only=False)
        for name in ("salary_from", "salary_to", "salary_gross", "salary_mode")
    )
    snapshot, published = ticks(rows, SNAPSHOT_AT), ticks(rows, "published_at")
    first_seen, closed_at = ticks(rows, "first_seen"), ticks(rows, "closed_at")
    closed = (closed_at != _NEVER) & (closed_at <= limit)
    history = first_seen != _NEVER
    start = _start(ticks(rows, "initial_created_at"), first_seen, published)
    impossible = np.logical_or.reduce([fault.broken for fault in time_faults(rows)])
    undated = impossible | (start == _NEVER)
    now = snapshot if limit == np.iinfo(np.int64).max else np.full_like(snapshot, limit)
    age = np.maximum(np.where(closed, closed_at, snapshot) - start, 0) / _DAY  # a clock may be ahead
    made = {
        "salary_net": net_monthly(low, high, gross, rate_of(rows, rates), mode),
        "salary_stated": stated(low, high),
        "days": np.where(undated, np.nan, age),
        "closed": closed,
        "published": np.where(impossible | (published == _NEVER), snapshot, published) / _DAY,
        "has_history": history,
        "entered": np.where(history, np.maximum(first_seen - start, 0) / _DAY, np.nan),
        "followed": np.where(undated, np.nan, np.maximum(now - start, 0) / _DAY),
    }
    return {name: np.asarray(made[name], dtype=np.float64) for name in NUMBERS}


def _start(
    created: npt.NDArray[np.int64], first_seen: npt.NDArray[np.int64], published: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return when vacancies began: with a history the earliest trace, else the latest publication."""
    latest = np.iinfo(np.int64).max
    traces = np.stack([created, first_seen, published])
    earliest = np.where(traces == _NEVER, latest, traces).min(axis=0)
    return np.asarray(np.where(first_seen == _NEVER, published, earliest))


def _code(value: object) -> str:
    return "" if value is None else str(value)
