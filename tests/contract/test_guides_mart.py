"""The mart guide: its tables have the columns that the database has, and its queries run."""

import re
from collections.abc import Iterator

import psycopg2
import pytest

from xflow.adapters.greenplum import GreenplumMart
from xflow.adapters.promotion_ledger import GreenplumPromotions
from xflow.adapters.realised import GreenplumRealised
from xflow.adapters.vacancy_history import GreenplumHistory
from xflow.pipeline import load
from xflow.settings import REPOSITORY, Settings
from xflow.steps.kinds import input_kind

pytestmark = pytest.mark.services

GUIDE = (REPOSITORY / "research" / "guides" / "mart.md").read_text(encoding="utf-8")
PIPELINES = {"series": "tourism_monthly", "vacancies": "vacancies"}
QUERIES = re.findall(r"^```sql\n(.*?)^```", GUIDE, flags=re.DOTALL | re.MULTILINE)
SECTIONS = dict(re.findall(r"^### ([^\n]+)\n(.*?)(?=^##|\Z)", GUIDE, flags=re.DOTALL | re.MULTILINE))
ROW = re.compile(r"^\| (`[^|]+) \| ([^|]+) \|", flags=re.MULTILINE)
TYPES = {
    "text": "text",
    "integer": "integer",
    "bigint": "integer",
    "double precision": "number",
    "boolean": "yes/no",
    "timestamp without time zone": "time",
}
COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'mart' AND table_name = %s
"""


@pytest.fixture(scope="module")
def cursor(stores: Settings) -> Iterator[psycopg2.extensions.cursor]:
    """Make the tables of both kinds; yield a cursor on the mart."""
    mart = GreenplumMart(stores.greenplum_dsn)
    for name in PIPELINES.values():
        pipeline = load(REPOSITORY / "dags" / "pipelines" / f"{name}.yaml")
        mart.prepare(name, input_kind(pipeline).tables)
    GreenplumHistory(stores.greenplum_dsn, "vacancies").prepare()
    GreenplumRealised(stores.greenplum_dsn, "tourism_monthly").prepare()
    GreenplumPromotions(stores.greenplum_dsn).decisions("tourism_monthly", "prod")  # makes its table
    connection = psycopg2.connect(stores.greenplum_dsn)
    try:
        yield connection.cursor()
    finally:
        connection.close()


def documented(heading: str) -> dict[str, str]:
    """Return the columns of a section with their types."""
    section = SECTIONS[heading]
    found = {name: kind for names, kind in ROW.findall(section) for name in re.findall(r"`(\w+)`", names)}
    return (documented("A flat vacancy") if "columns of a flat vacancy" in section else {}) | found


@pytest.mark.parametrize("heading", [heading for heading in SECTIONS if heading.startswith("`mart.")])
def test_a_section_names_every_column_with_its_type(cursor: psycopg2.extensions.cursor, heading: str) -> None:
    table, _, kind = heading.replace("`", "").removeprefix("mart.").partition(" of ")
    cursor.execute(COLUMNS, (table.replace("<pipeline>", PIPELINES[kind or "vacancies"]),))
    there = {name: TYPES[kind] for name, kind in cursor.fetchall()}
    assert there
    assert documented(heading) == there


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.split("mart.")[1].split()[0])
def test_a_query_runs(cursor: psycopg2.extensions.cursor, query: str) -> None:
    try:
        cursor.execute(query)
    finally:
        cursor.connection.rollback()
