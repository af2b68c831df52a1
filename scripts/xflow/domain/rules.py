"""The rules of the contract: their codes, what they are about and what to do about a row that breaks one."""

from xflow.columns import SERIES_ID, VALUE
from xflow.domain.verdict import ContractRule


class Rule(ContractRule):
    """What can be wrong with a row; of several, the first is reported. The codes are stored: never reuse one."""

    ACCEPTED = 0
    SERIES_ID_MISSING = 1
    SERIES_ID_NUL = 2
    TIMESTAMP_MISSING = 3
    TIMESTAMP_OUT_OF_RANGE = 4
    OFF_GRID = 5
    VALUE_NOT_FINITE = 6
    EXOGENOUS_NOT_FINITE = 7
    DUPLICATE = 8
    CONFLICT = 9
    VALUE_MISSING = 10
    GAP_TOO_LONG = 11
    SERIES_TOO_SHORT = 12
    VALUE_TOO_LARGE = 13
    TIMESTAMP_UNREADABLE = 20

    @property
    def advice(self) -> str:
        """What to do about a row that breaks the rule."""
        return ADVICE[self]


COLUMN = {
    Rule.SERIES_ID_MISSING: SERIES_ID,
    Rule.SERIES_ID_NUL: SERIES_ID,
    Rule.VALUE_NOT_FINITE: VALUE,
    Rule.VALUE_MISSING: VALUE,
    Rule.VALUE_TOO_LARGE: VALUE,
}
"""The column that a rule is about, where that is neither the timestamp nor an exogenous column."""

ADVICE = {
    Rule.SERIES_ID_MISSING: "give every row a series id",
    Rule.SERIES_ID_NUL: "remove NUL characters from the series id",
    Rule.TIMESTAMP_MISSING: "give every row a timestamp",
    Rule.TIMESTAMP_UNREADABLE: "texts are ISO times, as 2023-09-04 or 2023-09-04T15:45:24+0300",
    Rule.TIMESTAMP_OUT_OF_RANGE: "timestamps lie from 1678 to 2261; look for a wrong unit",
    Rule.OFF_GRID: "timestamps are the first moment of a period of contract.frequency, as 2024-01-01 00:00 for M; "
    "those that carry a zone are read by the clock of contract.timezone, which is UTC when left out",
    Rule.VALUE_NOT_FINITE: "leave out rows whose value is NaN or infinite",
    Rule.EXOGENOUS_NOT_FINITE: "fill null, NaN and infinite exogenous values",
    Rule.VALUE_TOO_LARGE: "values lie within 1e100 of 0; look for a wrong unit or a stand-in for a missing value",
    Rule.DUPLICATE: "write each row once; the first copy was accepted",
    Rule.CONFLICT: "one series has different values at one timestamp: keep the right one",
    Rule.VALUE_MISSING: "leave out rows without a value; only rows after a series' last value may have none, and "
    "only with exogenous columns",
    Rule.GAP_TOO_LONG: "bring the missing rows, or raise contract.max_gap",
    Rule.SERIES_TOO_SHORT: "bring more history up to as_of, or lower contract.min_length",
}
