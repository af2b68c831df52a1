"""The market by day: open vacancies and their median salary, by professional role and area, as series."""

import numpy as np
import pandas as pd
import pyarrow as pa

from xflow.columns import SERIES_ID, TIMESTAMP, VALUE
from xflow.domain.vacancies.salary import net_monthly

FEWEST_SALARIES = 5
"""Below so many stated salaries a median says little, and something about single employers."""

GROUP = ["professional_role_id", "area_id"]

LISTING_SCHEMA = pa.schema(
    [
        pa.field("day", pa.timestamp("us"), nullable=False),
        pa.field("snapshot_id", pa.string(), nullable=False),
        *[pa.field(name, pa.string(), nullable=False) for name in GROUP],
        *[pa.field(name, pa.float64()) for name in ("salary_from", "salary_to")],
        pa.field("salary_gross", pa.bool_()),
        pa.field("salary_rate", pa.float64()),
        pa.field("salary_mode", pa.string()),
    ]
)
"""A vacancy as the last complete snapshot of a day lists it; role and area are ``""`` where it has none."""

MARKET_SCHEMA = pa.schema(
    [
        *[LISTING_SCHEMA.field(name) for name in ("day", *GROUP)],
        pa.field("scope", pa.string(), nullable=False),
        pa.field("snapshot_id", pa.string(), nullable=False),
        *[pa.field(name, pa.int64(), nullable=False) for name in ("open", "stated")],
        pa.field("salary_net", pa.float64()),
    ]
)
"""Open vacancies of a day by role and area; `stated` counts the salaries by the month, of which `salary_net` is the
median, null below `FEWEST_SALARIES` of them."""

SERIES_SCHEMA = pa.schema([(SERIES_ID, pa.string()), (TIMESTAMP, pa.timestamp("us")), (VALUE, pa.float64())])


def market_of(listings: pa.Table, scope: str) -> pa.Table:
    """Return counts and median salaries of whole days.

    Parameters
    ----------
    listings
        `LISTING_SCHEMA`: all listings of the days.
    scope
        Scope of the snapshots that list them.

    Returns
    -------
    pa.Table
        `MARKET_SCHEMA`, one row a day, role and area, in this order. The median is of monthly net
        roubles by `salary.net_monthly`.
    """
    frame = listings.to_pandas()
    gross = listings.column("salary_gross").to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
    frame["salary_net"] = net_monthly(
        frame["salary_from"].to_numpy(),
        frame["salary_to"].to_numpy(),
        gross,
        frame["salary_rate"].to_numpy(),
        frame["salary_mode"].to_numpy(),
    )
    grouped = frame.groupby(["day", *GROUP], sort=True)
    found = grouped.agg(
        snapshot_id=("snapshot_id", "max"),
        open=("snapshot_id", "size"),
        stated=("salary_net", "count"),
        salary_net=("salary_net", "median"),
    ).reset_index()
    found.loc[found["stated"] < FEWEST_SALARIES, "salary_net"] = np.nan
    found["scope"] = scope
    return pa.Table.from_pandas(found[MARKET_SCHEMA.names], schema=MARKET_SCHEMA, preserve_index=False)


def market_series(market: pa.Table, min_length: int, max_gap: int) -> pa.Table:
    """Return the series of a market that are long enough to be forecast.

    Parameters
    ----------
    market
        `MARKET_SCHEMA`, one scope.
    min_length
        Shortest series, in days from its first to its last.
    max_gap
        Longest run of days without a value inside a series. What lies before a longer one is left out.

    Returns
    -------
    pa.Table
        `SERIES_SCHEMA`, sorted: ``open|<role>|<area>``, the number of vacancies, and
        ``salary|<role>|<area>``, their median net salary in roubles. A day on which the market was
        seen and a group was not counts 0 open vacancies, from the group's first day on; a day on which
        it was not seen is a gap. Groups without a role or an area, series that end before the market
        does by more than `max_gap`, and those that never change are left out.
    """
    frame = market.to_pandas()
    frame = frame[(frame["professional_role_id"] != "") & (frame["area_id"] != "")]
    wide = frame.pivot_table(index="day", columns=GROUP, values=["open", "salary_net"], aggfunc="first", dropna=False)
    days = pd.DatetimeIndex(np.sort(market.to_pandas()["day"].unique()))
    found = []
    for name, prefix in (("open", "open"), ("salary_net", "salary")):
        if wide.empty or name not in wide:
            continue
        values = wide[name].reindex(days).dropna(axis=1, how="all")
        if name == "open":
            values = values.fillna(0.0).where(values.notna().cummax())
        for group, series in values.items():
            kept = _forecastable(series.dropna(), days[-1], min_length, max_gap)
            found.append((f"{prefix}|{group[0]}|{group[1]}", kept))
    return _long({name: series for name, series in found if len(series)})


def seen_days(market: pa.Table) -> int:
    """Return on how many days a market was seen."""
    return len(market.column("day").unique())


def _forecastable(series: pd.Series, last_day: pd.Timestamp, min_length: int, max_gap: int) -> pd.Series:
    """Return a series' part after its last long gap, nothing when that cannot be forecast."""
    steps = series.index.to_series().diff().dt.days
    long_gaps = steps[steps > max_gap + 1]
    part = series.loc[long_gaps.index[-1] :] if len(long_gaps) else series
    length = (part.index[-1] - part.index[0]).days + 1
    stale = (last_day - part.index[-1]).days > max_gap
    return part if length >= min_length and not stale and (part != part.iloc[0]).any() else part.iloc[:0]


def _long(series: dict[str, pd.Series]) -> pa.Table:
    parts = [
        pa.table(
            {
                SERIES_ID: pa.array([name] * len(series[name]), pa.string()),
                TIMESTAMP: pa.array(series[name].index.to_numpy().astype("M8[us]")),
                VALUE: pa.array(series[name].to_numpy(np.float64)),
            },
            schema=SERIES_SCHEMA,
        )
        for name in sorted(series)
    ]
    return pa.concat_tables(parts).combine_chunks() if parts else SERIES_SCHEMA.empty_table()
