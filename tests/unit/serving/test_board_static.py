"""The board's files: they need nobody else, say everything in two languages, and can be read by anybody."""

import re
from itertools import product
from pathlib import Path

import pytest

import xflow.serving.board

STATIC = Path(xflow.serving.board.__file__).parent / "static"
OWN = [path for path in STATIC.rglob("*.*") if path.suffix in {".js", ".css", ".html"} and path.parent.name != "vendor"]
WORDS = re.compile(r"^  (\w+):", re.MULTILINE)


def read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_files_are_short_and_ask_nobody_else(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    addresses = set(re.findall(r"https?://[^\"'\s)]+", text)) - {"http://www.w3.org/2000/svg"}
    assert not addresses
    assert " style=" not in text, "the content security policy refuses it"
    assert "innerHTML" not in text, "names come from the data"
    if path.suffix == ".js" and "words_" not in path.name:
        assert len(text.splitlines()) <= 250


def test_what_the_files_name_is_there() -> None:
    named = re.findall(r"board/static/([\w./]+)", "".join(path.read_text(encoding="utf-8") for path in OWN))
    assert [name for name in set(named) if not (STATIC / name).is_file()] == []
    for path in OWN:
        imported = re.findall(r"from \"(\.[\w./]+)\"", path.read_text(encoding="utf-8")) if path.suffix == ".js" else []
        assert [name for name in imported if not (path.parent / name).resolve().is_file()] == [], path


def test_every_text_is_in_both_languages_and_is_used() -> None:
    english, russian = (WORDS.findall(read(f"js/words_{name}.js")) for name in ("en", "ru"))
    assert english == russian
    assert len(set(english)) == len(english)
    code = "".join(path.read_text(encoding="utf-8") for path in OWN if "words_" not in path.name)
    literal = set(re.findall(r"[\"'`](\w+)[\"'`]", code))
    families = set(re.findall(r"t\(`(\w*_)\$\{", code)) | {"nav_", "kind_", "target_", "metric_", "cohort_"}
    endings = {"_about", "_column", "_more"}
    used = {key for key in english if key in literal or key.startswith(tuple(families)) or key.endswith(tuple(endings))}
    assert set(english) - used == set()
    asked = set(re.findall(r"\bt\(\"(\w+)\"", code))
    assert asked - set(english) == set()


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_stand_out_from_their_ground(theme: str) -> None:
    """WCAG 2.2, AA: a contrast of 4.5 for text."""
    light, dark = read("css/tokens.css").split(':root[data-theme="dark"]')
    block = light if theme == "light" else dark
    tokens = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    pairs = [*product(("ink", "soft", "accent"), ("ground", "card", "sunken")), ("on-accent", "accent")]
    pairs += [(tone, f"{tone}-wash") for tone in ("good", "warn", "bad", "accent")]
    pairs += [
        ("bad", "card"),
        ("good", "card"),
        ("warn", "card"),
        ("warn", "ground"),
        ("ink", "accent-wash"),
        ("soft", "sunken"),
    ]
    for text, ground in pairs:
        low, high = sorted((luminance(tokens[text]), luminance(tokens[ground])))
        contrast = (high + 0.05) / (low + 0.05)
        assert contrast >= 4.5, f"{theme}: {text} on {ground}: {contrast:.2f}"
