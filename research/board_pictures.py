"""Take the README's pictures of the board of a running stack: ``python research/board_pictures.py``.

``make setup`` comes first: it brings Playwright. Needs Chromium at /usr/bin/chromium. Where the board is and its
password are read from ``.env``.
"""

import io
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from xflow.settings import env_file, read_env_file

FOLDER = Path(__file__).parent / "images"
MOST_BYTES = 250_000
WIDE, PHONE = {"width": 1240, "height": 900}, {"width": 390, "height": 844}
EDGE = 20
"""Pixels left free around what is shown."""
DRAWN = "#served .stats, #served .note"
PICTURES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "board_overview": ({"locale": "en-GB", "viewport": WIDE}, "", ".bar", "#pipelines"),
    "board_market": (
        {"locale": "ru-RU", "viewport": WIDE, "color_scheme": "dark"},
        "#days=30",
        "#market",
        ".halves:has(#cohorts-salary)",
    ),
    "board_phone": (
        {"locale": "en-GB", "viewport": PHONE, "device_scale_factor": 2, "has_touch": True},
        "#series=M12",
        "#forecasts",
        "#forecasts",
    ),
}
"""By name: the browser, the choices in the address, and what the picture begins and ends with."""


def main() -> None:
    """Write the pictures."""
    env = read_env_file(env_file())
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name, (options, chosen, first, last) in PICTURES.items():
            page = browser.new_context(reduced_motion="reduce", **options).new_page()
            page.goto(f"{env['XFLOW_SERVING_URL']}/{chosen}")
            page.fill("#user", env.get("XFLOW_BOARD_USERNAME", "admin"))
            page.fill("#password", env["XFLOW_BOARD_PASSWORD"])
            page.press("#password", "Enter")
            for drawn in (DRAWN, "#market-open", "#cohorts-salary"):
                page.wait_for_selector(drawn, timeout=60_000)
            save(taken(page, first, last), name)
        browser.close()


def taken(page: Page, first: str, last: str) -> bytes:
    """Return the page from one element's beginning to another's end."""
    begin, end = (page.locator(selector).first.bounding_box() for selector in (first, last))
    assert begin, first
    assert end, last
    top = max(0, begin["y"] - EDGE)
    height, width = end["y"] + end["height"] + EDGE - top, page.evaluate("innerWidth")
    return page.screenshot(full_page=True, clip={"x": 0, "y": top, "width": width, "height": height})


def save(picture: bytes, name: str) -> None:
    """Write a picture in all its colours; one that is too large for a README shows too much."""
    path = FOLDER / f"{name}.png"
    Image.open(io.BytesIO(picture)).convert("RGB").save(path, optimize=True)
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(f"{path} has {size} bytes, more than {MOST_BYTES}: let it end earlier.")


if __name__ == "__main__":
    main()
