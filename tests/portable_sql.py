"""What Greenplum 6 and 7 refuse although PostgreSQL 15, which stands in for them here, takes it: one list of words."""

import re
from collections.abc import Iterator

RESERVED = frozenset(
    ("decode", "distributed", "exclude", "following", "log", "partition", "preceding", "scatter", "unbounded")
)
"""Reserved in Greenplum and not in PostgreSQL 15: as a name such a word must stand in quotes."""

FUNCTIONS = frozenset(
    (
        "any_value",
        "array_position",
        "array_positions",
        "array_sample",
        "array_shuffle",
        "date_add",
        "date_bin",
        "date_subtract",
        "gcd",
        "gen_random_uuid",
        "json_strip_nulls",
        "jsonb_agg",
        "jsonb_build_array",
        "jsonb_build_object",
        "jsonb_insert",
        "jsonb_object",
        "jsonb_object_agg",
        "jsonb_path_exists",
        "jsonb_path_match",
        "jsonb_path_query",
        "jsonb_path_query_array",
        "jsonb_path_query_first",
        "jsonb_pretty",
        "jsonb_set",
        "jsonb_set_lax",
        "jsonb_strip_nulls",
        "lcm",
        "min_scale",
        "num_nonnulls",
        "num_nulls",
        "parse_ident",
        "pg_blocking_pids",
        "pg_size_bytes",
        "range_agg",
        "regexp_count",
        "regexp_instr",
        "regexp_like",
        "regexp_match",
        "regexp_substr",
        "scale",
        "sha224",
        "sha256",
        "sha384",
        "sha512",
        "starts_with",
        "string_to_table",
        "to_jsonb",
        "to_regnamespace",
        "to_regrole",
        "trim_scale",
        "unistr",
        "websearch_to_tsquery",
    )
)
"""Functions that PostgreSQL has since 9.5 or later, which Greenplum 6 lacks."""

EMPTY_TEXT = "answers otherwise for an empty text on Greenplum 6: 0 there, 1 on PostgreSQL"
WAITING = "keeps a slot of Greenplum's resource queue while it waits: use `greenplum_server.lock`"
OTHERWISE = {
    "position": EMPTY_TEXT,
    "strpos": EMPTY_TEXT,
    "pg_advisory_lock": WAITING,
    "pg_advisory_xact_lock": WAITING,
}
"""Functions that every server has and that do something else on Greenplum."""

CLAUSES = {
    "ON CONFLICT": r"\bON CONFLICT\b",
    "MERGE": r"\bMERGE INTO\b",
    "identity and generated columns": r"\bGENERATED (ALWAYS|BY DEFAULT)\b",
    "procedures": r"\b(CREATE|CREATE OR REPLACE) PROCEDURE\b|^CALL\b",
    "CREATE INDEX IF NOT EXISTS": r"\bINDEX (CONCURRENTLY )?IF NOT EXISTS\b",
    "ADD COLUMN IF NOT EXISTS": r"\bADD (COLUMN )?IF NOT EXISTS\b",
    "CREATE ... IF NOT EXISTS of other than tables and schemas": r"\b(VIEW|SEQUENCE|TYPE|FUNCTION) IF NOT EXISTS\b",
    "declarative partitions": r"\bPARTITION OF\b|\bATTACH PARTITION\b",
    "SKIP LOCKED": r"\bSKIP LOCKED\b",
    "TABLESAMPLE": r"\bTABLESAMPLE\b",
    "block-range indexes": r"\bUSING BRIN\b",
    "columns that an index includes": r"\bINCLUDE \(",
    "MATERIALIZED in a WITH": r"\bAS (NOT )?MATERIALIZED \(",
    "a statement that writes inside WITH": r"\bAS \( (INSERT|UPDATE|DELETE)\b",
    "WITH TIES": r"\bWITH TIES\b",
    "jsonb ||": r"\bJSONB \|\||\|\| [^ ]+ :: JSONB\b",
    "current_setting of what may be absent": r"\bCURRENT_SETTING \( '' , \w+ \)",
    "DROP EXPRESSION": r"\bDROP EXPRESSION\b",
    "IS JSON": r"\bIS (NOT )?JSON\b",
}
"""Clauses that Greenplum 6 lacks, as they read once a statement is `shaped`."""

NOT_FOR_GREENPLUM = (re.compile(r"^CREATE INDEX ON MART \. \S+ USING BRIN "),)
"""Statements that are sent to PostgreSQL alone: the code asks the server's kind before."""

TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*|/\*.*?\*/)
  | (?P<dollar>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
  | (?P<text>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')
  | (?P<quoted>"(?:[^"]|"")*")
  | (?P<mark>%\(\w+\)s|%s)
  | (?P<number>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
  | (?P<word>[^\W\d][\w$]*)
  | (?P<sign>::|\|\||->>?|<>|[<>!]=|\S)
    """,
    re.VERBOSE | re.DOTALL,
)


def tokens(statement: str) -> Iterator[tuple[str, str]]:
    """Yield kind and text of the tokens of a statement, comments left out."""
    for found in TOKEN.finditer(statement):
        kind = str(found.lastgroup if found.lastgroup != "tag" else "dollar")
        if kind != "comment":
            yield kind, found[0]


def shaped(statement: str) -> str:
    """Return a statement in capitals with one blank between tokens, its values and quoted names without content."""
    said = {"text": "''", "dollar": "''", "quoted": '""', "mark": "''", "number": "0"}
    return " ".join(said.get(kind, text.upper()) for kind, text in tokens(statement))


def faults(statement: str) -> list[str]:
    """Say what in a statement Greenplum 6 or 7 would refuse, or answer otherwise."""
    shape = shaped(statement)
    if any(pattern.search(shape) for pattern in NOT_FOR_GREENPLUM):
        return []
    found = [f"{name}: Greenplum 6 lacks it" for name, pattern in CLAUSES.items() if re.search(pattern, shape)]
    all_of = list(tokens(statement))
    for place, (kind, text) in enumerate(all_of):
        word = text.lower()
        before, after = (all_of[at][1].lower() if 0 <= at < len(all_of) else "" for at in (place - 1, place + 1))
        if kind != "word":
            continue
        if word in RESERVED and not _keyword(word, before, after):
            found.append(f"{text} is reserved in Greenplum: use another name, or quotes")
        if word in FUNCTIONS and after == "(":
            found.append(f"{text}(): Greenplum 6 lacks it")
        if word in OTHERWISE and after == "(":
            found.append(f"{text}() {OTHERWISE[word]}")
    return found


def _keyword(word: str, before: str, after: str) -> bool:
    """Say whether a reserved word stands where it is the keyword, as in a window or at the end of DDL."""
    if word == "partition":
        return after == "by"
    if word == "distributed":
        return after in {"by", "randomly", "replicated"}
    if word == "unbounded":
        return after in {"preceding", "following"}
    if word in {"preceding", "following"}:
        return before == "unbounded" or before.isdigit()
    return False
