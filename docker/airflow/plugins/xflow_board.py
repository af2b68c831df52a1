"""The board inside Airflow: an entry of the navigation that shows it in a frame. On where XFLOW_SERVING_PAGE is set."""

import os
from typing import Any
from urllib.parse import quote

from airflow.plugins_manager import AirflowPlugin

DRAWN = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">
<rect width="24" height="24" rx="6" fill="#15609f"/>
<path d="M5 19v-4M10 19v-7M14 19v-5M19 19V9M4 10l6-4 4 3 6-4" fill="none" stroke="#fff" stroke-width="2"/></svg>"""
ICON = "data:image/svg+xml," + quote(DRAWN)
"""Readable on Airflow's navigation in both its modes, chosen or not; and no server is asked for it."""


def view(page: str) -> dict[str, Any]:
    """Return Airflow's description of a page that it shows in a frame."""
    return {
        "name": "Board",
        "href": page,
        "url_route": "board",
        "destination": "nav",
        "nav_top_level": True,
        "icon": ICON,
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
