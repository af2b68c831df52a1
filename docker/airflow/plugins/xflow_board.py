"""The board inside Airflow: an entry of the navigation that shows it in a frame. On where XFLOW_SERVING_PAGE is set."""

import os
from typing import Any
from urllib.parse import quote

from airflow.plugins_manager import AirflowPlugin

LIGHT, DARK = "#3f3f46", "#d4d4d8"
"""Colours of Airflow's own icons in its two modes."""


def icon(colour: str) -> str:
    """Return bars under a line as a picture that no server is needed for."""
    strokes = "M4 20V12M10 20V8M16 20v-6M22 20V6M3 8l7-5 6 5 6-5"
    drawn = f'<path d="{strokes}" fill="none" stroke="{colour}" stroke-width="2" stroke-linecap="round"/>'
    return "data:image/svg+xml," + quote(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 25 23">{drawn}</svg>')


def view(page: str) -> dict[str, Any]:
    """Return Airflow's description of a page that it shows in a frame."""
    return {
        "name": "Board",
        "href": page,
        "url_route": "board",
        "destination": "nav",
        "nav_top_level": True,
        "icon": icon(LIGHT),
        "icon_dark_mode": icon(DARK),
    }


class XflowBoard(AirflowPlugin):
    """Adds the board to the navigation."""

    name = "xflow_board"
    external_views: list[dict[str, Any]] = []  # noqa: RUF012  # as Airflow's plugins declare them

    @classmethod
    def on_load(cls, *_: Any, **__: Any) -> None:
        """Look where the board is, when Airflow has loaded the plugin."""
        page = os.environ.get("XFLOW_SERVING_PAGE", "")
        cls.external_views = [view(page)] if page else []
