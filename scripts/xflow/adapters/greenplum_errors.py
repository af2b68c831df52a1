"""What the errors of psycopg2 and of the server mean to a run.

Source of the codes: PostgreSQL documentation, appendix A, "PostgreSQL Error Codes".
"""

import psycopg2

from xflow.errors import AccessDenied, ConfigInvalid, ContractViolated, ServiceUnavailable, XflowError

DENIED = {"28000", "28P01", "42501"}
DISK_FULL = "53100"
ABSENT = {"3D000", "3F000", "42P01", "42703"}  # database, schema, table, column
REFUSED = {"22", "23"}  # data exceptions, integrity constraints
PASSING = {"08", "25", "40", "53", "55", "57", "58", "72", "XX"}  # connection, deadlock, resources, shutdown, ...


def mapped(error: psycopg2.Error, where: str) -> XflowError:
    """Return the error of ours that stands for one of psycopg2's."""
    code, text = error.pgcode, " ".join(str(error).split())
    kind, advice = _verdict(code) if code else _verdict_on_text(error, text)
    return kind(f"{where}: {text}{f' (SQLSTATE {code})' if code else ''}. {advice}")


def _verdict(code: str) -> tuple[type[XflowError], str]:
    if code in DENIED:
        return AccessDenied, "Check the user, the password and the grants in XFLOW_GREENPLUM_DSN."
    if code == DISK_FULL:
        return ServiceUnavailable, "The server's disk is full: free space there. Nothing was kept."
    if code in ABSENT:
        return ConfigInvalid, "Check the database in XFLOW_GREENPLUM_DSN and that its tables stand."
    if code[:2] in REFUSED:
        return ContractViolated, "The server refuses a value. Nothing was kept; correct the input."
    if code[:2] in PASSING:
        return ServiceUnavailable, "Nothing was kept; the task may run again."
    return ConfigInvalid, "The mart is not what this version of xFlow expects."


def _verdict_on_text(error: psycopg2.Error, text: str) -> tuple[type[XflowError], str]:
    """Judge what carries no code: a refused sign-in shows by its text only."""
    if any(sign in text for sign in ("authentication failed", "no pg_hba.conf entry", "no password supplied")):
        return AccessDenied, "Check the user and the password in XFLOW_GREENPLUM_DSN."
    if 'FATAL: database "' in text or 'FATAL: role "' in text:
        return ConfigInvalid, "Check the user and the database in XFLOW_GREENPLUM_DSN."
    if isinstance(error, (psycopg2.ProgrammingError, psycopg2.NotSupportedError)):
        return ConfigInvalid, "The mart is not what this version of xFlow expects."
    return ServiceUnavailable, "No answer: is it running? See ./start.sh status."
