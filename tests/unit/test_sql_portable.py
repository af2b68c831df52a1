"""Every statement that stands in the product, held against what Greenplum 6 and 7 refuse."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from string import Template

import pytest

from portable_sql import faults
from xflow.adapters.greenplum_dialect import Dialect
from xflow.settings import REPOSITORY

PACKAGE = REPOSITORY / "scripts" / "xflow"
SCRIPTS = sorted([*PACKAGE.glob("sql/*.sql"), *(REPOSITORY / "docker" / "greenplum").glob("*.sql")])
GUIDES = sorted((REPOSITORY / "research" / "guides").glob("*.md"))
STATEMENT = re.compile(
    r"\s*(--.*\n\s*)*(SELECT|INSERT INTO|UPDATE \w|DELETE FROM|CREATE |ALTER |LOCK TABLE|SET [A-Z]|COPY |VACUUM|"
    r"ANALYZE|WITH\s|DROP |GRANT )"
)
STORAGE = re.compile(r"storage$|^(facts_|temporary_)?by_")


class Words(defaultdict[str, str]):
    """Stands for every word that a script is rendered with: on Greenplum storage, elsewhere a column."""

    def __missing__(self, word: str) -> str:
        return Dialect(6).facts("c") if STORAGE.search(word) else f', "{word}"' if word.endswith("s") else word


def in_code(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of the statements in a module; what an f-string puts in is a name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else "x" for part in node.values)
        else:
            continue
        if STATEMENT.match(text):
            yield node.lineno, text


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_as_greenplum_gets_them(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    rendered = Template(text).substitute(Words()) if script.parent.name == "sql" else text
    assert faults(rendered) == []


def test_statements_in_the_code() -> None:
    statements = [(path, *found) for path in sorted(PACKAGE.rglob("*.py")) for found in in_code(path)]
    assert len(statements) > 60, "the statements are not found any more"
    wrong = {f"{path.name}:{line}": found for path, line, text in statements if (found := faults(text))}
    assert wrong == {}


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_statements_in_the_guides(guide: Path) -> None:
    statements = re.findall(r"```sql\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    assert {text: found for text in statements if (found := faults(text))} == {}


def test_sessions_on_the_mart_are_opened_in_one_place() -> None:
    opening = [path.name for path in PACKAGE.rglob("*.py") if "psycopg2.connect(" in path.read_text(encoding="utf-8")]
    assert opening == ["greenplum_server.py"]


@pytest.mark.parametrize(
    "statement",
    [
        "WITH following AS (SELECT 1) SELECT * FROM following",
        'SELECT log FROM mart.run ORDER BY "log"',
        "SELECT r.partition FROM t r",
        "CREATE TABLE t (decode text)",
        "SELECT 1 AS scatter",
        "SELECT * FROM t exclude",
        "SELECT sum(preceding) OVER (PARTITION BY a ROWS 2 PRECEDING) FROM t",
        "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
        "CREATE INDEX IF NOT EXISTS i ON t (a)",
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS a text",
        "SELECT jsonb_agg(a) FROM t",
        "SELECT a::jsonb || '{}' FROM t",
        "SELECT a || '{}'::jsonb FROM t",
        "SELECT * FROM t FOR UPDATE SKIP LOCKED",
        "SELECT * FROM t TABLESAMPLE SYSTEM (1)",
        "SELECT gen_random_uuid(), date_bin('1 day', a, b) FROM t",
        "WITH gone AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM gone",
        "WITH a AS MATERIALIZED (SELECT 1) SELECT * FROM a",
        "CREATE TABLE t (a bigint GENERATED ALWAYS AS IDENTITY)",
        "SELECT 1 WHERE position(%(search)s in name) > 0",
        "SELECT current_setting('a.b', true)",
        "SELECT pg_advisory_xact_lock(1)",
        "CREATE INDEX ON t USING brin (a)",
    ],
)
def test_what_greenplum_refuses_is_seen(statement: str) -> None:
    assert faults(statement)


@pytest.mark.parametrize(
    "statement",
    [
        'SELECT "following", "log" FROM t  -- following',
        "SELECT 'following', E'it\\'s log' FROM t /* partition */",
        "SELECT sum(a) OVER (PARTITION BY b ORDER BY c ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING) FROM t",
        "CREATE TABLE t (a text) DISTRIBUTED BY (a)",
        "SELECT log_input FROM mart.log_input",
        "DO $$ BEGIN PERFORM 'following'; END $$",
        "CREATE TABLE IF NOT EXISTS t (a text)",
        "SELECT a || b FROM t",
    ],
)
def test_what_greenplum_takes_is_let_through(statement: str) -> None:
    assert faults(statement) == []
