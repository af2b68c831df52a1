"""Names of columns, free of Arrow: a pipeline's file is checked while Airflow parses DAGs, which must stay light."""

import re

SERIES_ID = "series_id"
TIMESTAMP = "timestamp"
VALUE = "value"
ROW_ID = "row_id"

RESERVED = frozenset({SERIES_ID, TIMESTAMP, VALUE, ROW_ID, "run_key"})
IDENTIFIER = re.compile(r"^[a-z][a-z0-9_]{0,62}$")

VACANCY_ID = "vacancy_id"
RESPONSIBILITY = "responsibility"
SNAPSHOT_AT = "snapshot_at"
