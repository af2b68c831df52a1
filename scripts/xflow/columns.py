"""Names of columns, free of Arrow: a pipeline's file is checked while Airflow parses DAGs, which must stay light."""

import re

from xflow.names import SYSTEM_COLUMNS

SERIES_ID = "series_id"
TIMESTAMP = "timestamp"
VALUE = "value"
ROW_ID = "row_id"

NOTE = "note"
RESERVED = frozenset({SERIES_ID, TIMESTAMP, VALUE, ROW_ID, NOTE, "run_key"}) | SYSTEM_COLUMNS
"""Names that no exogenous column may have: they stand beside it in the mart."""

IDENTIFIER = re.compile(r"^[a-z][a-z0-9_]{0,62}$")

VACANCY_ID = "vacancy_id"
RESPONSIBILITY = "responsibility"
SNAPSHOT_AT = "snapshot_at"
