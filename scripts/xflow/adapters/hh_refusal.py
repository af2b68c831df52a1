"""What a refusal of hh.ru's API means, and what to do about it.

The API names its errors in the body, ``{"errors": [{"type": ..., "value": ...}]}``; the status alone does not tell an
expired token from a captcha or from an application that has no right to ask.
"""

import json

from xflow.errors import AccessDenied, ConfigInvalid, XflowError

OAUTH = {"oauth", "bad_auth", "bad_authorization"}
"""Types by which the API says that it does not take the token."""

TOKEN = {
    "token_expired": "the token has expired. Get a new one at dev.hh.ru and set XFLOW_HH_TOKEN to it",
    "token_revoked": "the token was revoked. Get a new one at dev.hh.ru and set XFLOW_HH_TOKEN to it",
    "application_not_found": "the application of the token is deleted. Register another at dev.hh.ru and set "
    "XFLOW_HH_TOKEN to its token",
    "user_auth_expected": "this wants the token of a user, and XFLOW_HH_TOKEN is an application's. Ask hh.ru which "
    "token may search vacancies",
}
REGISTER = "Register an application at dev.hh.ru and set XFLOW_HH_TOKEN to its token"


def refused(status: int, body: str, where: str, *, signed: bool = False) -> XflowError:
    """Return the error of ours for an answer that asking again cannot mend.

    Parameters
    ----------
    where
        The URL that was asked for.
    signed
        The request carried a token.
    """
    types, values = fault_types(body), {value for _, value in faults(body)}
    said = f"status {status}: {', '.join(f'{kind} {value}'.strip() for kind, value in faults(body)) or beginning(body)}"
    if "captcha_required" in types:
        more = "Collect less often (collect.requests_per_second)" if signed else f"{REGISTER}; or collect less often"
        return AccessDenied(f"{where}: the API asks for a captcha, which asking on does not remove ({said}). {more}.")
    if types & OAUTH or status == 401:
        return AccessDenied(f"{where}: {_token(values, signed=signed)} ({said}).")
    if status == 403:
        return AccessDenied(f"{where}: {_forbidden(types, signed=signed)} ({said}).")
    if "bad_user_agent" in types:
        return ConfigInvalid(
            f"{where}: the API does not accept collect.user_agent ({said}): it is missing, or barred. Write "
            "name/version (address) with an address of yours at which hh.ru reaches you."
        )
    if "bad_argument" in types:
        return ConfigInvalid(f"{where}: the API does not accept a parameter ({said}). Correct collect.queries.")
    return ConfigInvalid(f"{where}: the API refused ({said}). Check collect.url and collect.queries.")


def faults(body: str) -> list[tuple[str, str]]:
    """Return type and value of each error that a body reports."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return []
    errors = document.get("errors") if isinstance(document, dict) else None
    entries = errors if isinstance(errors, list) else []
    return [(str(e.get("type", "")), str(e.get("value", ""))) for e in entries if isinstance(e, dict)]


def fault_types(body: str) -> set[str]:
    """Return the types of the errors that a body reports."""
    return {kind for kind, _ in faults(body)}


def beginning(body: str) -> str:
    """Return the beginning of a body, to quote it."""
    return repr(body[:100]) if body else "an empty body"


def _token(values: set[str], *, signed: bool) -> str:
    if not signed:
        return f"the API wants a token. {REGISTER}"
    named = next((TOKEN[value] for value in sorted(values) if value in TOKEN), None)
    return named or "the API does not know the token. Copy it again from dev.hh.ru into XFLOW_HH_TOKEN"


def _forbidden(types: set[str], *, signed: bool) -> str:
    if not types:
        return (
            "access is barred by something before the API, which answers in its own form. Ask from another address "
            "or less often"
        )
    if "api_access_payment" in types:
        return "this is a paid method. Ask hh.ru for access, or use another application's token in XFLOW_HH_TOKEN"
    if signed:
        return (
            "the token is known, and its application may not do this (hh.ru announced to close access for applicants' "
            "applications on 2025-12-15). Ask hh.ru for the right, or use another application's token"
        )
    return (
        f"the API answers nobody without a token. {REGISTER}; hh.ru looks at each, and may want an employer's account"
    )
