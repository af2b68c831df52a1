"""Take the README's pictures of the board of a running stack: ``python research/board_pictures.py``.

Needs Chromium at /usr/bin/chromium. Where the board is and its password are read from ``.env``.
"""

import io
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from xflow.settings import env_file, read_env_file

FOLDER = Path(__file__).parent / "images"
WIDE, PHONE = {"width": 1240, "height": 900}, {"width": 390, "height": 844}
DRAWN = "#served .stats, #served .note"
PICTURES: dict[str, tuple[dict[str, Any], str, str, int]] = {
    "board_overview": ({"locale": "en-GB", "viewport": WIDE}, "#series=M12&periods=120", "#forecasts", 0),
    "board_market": ({"locale": "ru-RU", "viewport": WIDE, "color_scheme": "dark"}, "#days=30", "#market", 1650),
    "board_phone": (
        {"locale": "en-GB", "viewport": PHONE, "device_scale_factor": 2},
        "#series=M12&at=forecasts",
        "",
        0,
    ),
}
"""By name: the browser, the choices in the address, the section that it ends with, and its height where it is cut."""


def main() -> None:
    """Write the pictures."""
    env = read_env_file(env_file())
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name, (options, chosen, section, height) in PICTURES.items():
            page = browser.new_context(reduced_motion="reduce", **options).new_page()
            page.goto(f"{env['XFLOW_SERVING_URL']}/{chosen}")
            page.fill("#user", env.get("XFLOW_BOARD_USERNAME", "admin"))
            page.fill("#password", env["XFLOW_BOARD_PASSWORD"])
            page.press("#password", "Enter")
            for drawn in (DRAWN, "#market-open", "#cohorts-salary"):
                page.wait_for_selector(drawn, timeout=60_000)
            save(taken(page, section, height), name)
        browser.close()


def taken(page: Page, section: str, height: int) -> bytes:
    """Return the page down to a section's end, or so many pixels of the section; the screen where none is named."""
    if not section:
        return page.screenshot()
    box = page.locator(section).bounding_box()
    assert box, section
    top, bottom = (box["y"] - 20, box["y"] + height) if height else (0, box["y"] + box["height"] + 20)
    clip = {"x": 0, "y": top, "width": WIDE["width"], "height": bottom - top}
    return page.screenshot(full_page=True, clip=clip)


def save(picture: bytes, name: str) -> None:
    """Write a picture of 256 colours, those of small marks among them: it is small then, and looks the same."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        FOLDER / f"{name}.png", optimize=True
    )


if __name__ == "__main__":
    main()
