"""Texts of vacancies: cleaned, as lemmas, and as a key under which equal texts meet."""

import html
import re
import unicodedata
from functools import cache, lru_cache
from typing import Any

WORDS_KEPT = 1 << 18
"""Words whose lemma is remembered; a million vacancies have about as many."""

LONGEST_WORD = 40
"""Longer ones are no words but broken markup or links, and cost the analyser dearly."""

LONGEST_CLEANED = 100_000
"""Characters of a cleaned text; what follows is left out. Those of hh.ru are a fraction of it.

To lower it changes the answers of models to long texts, such as those that a version is checked by before it serves.
"""

_INLINE = re.compile(r"</?(?:highlighttext|b|strong|i|em|u|span|font|a)(?:\s[^<>]*)?/?>", re.IGNORECASE)
_TAG = re.compile(r"<!--.*?(?:-->|\Z)|</?[a-zA-Z][^<>]*>", re.DOTALL)
"""A comment without an end goes to the end of the text, as in browsers: to look on from each costs their square."""
_ZEROS = re.compile(r"(?<=&#)0+(?=[0-9])|(?<=&#x)0+(?=[0-9a-f])", re.IGNORECASE)
_NO_CHARACTER = re.compile(r"&#(?:x[0-9a-f]{7,}|[0-9]{8,});?", re.IGNORECASE)
"""A number beyond the last character. `html` gives U+FFFD for it, too, but fails at thousands of digits."""
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b-\u200f\u2060\ufe0f\ufeff]")
_TOKEN = re.compile(r"\.net\b|[^\W_]+(?:\+\+|#)?")
_RUSSIAN = re.compile(r"[а-я]+")
_MIXED = {"с++": "c++", "с#": "c#", "1c": "1с"}
"""Names typed with the letter of the other alphabet that looks the same."""


def clean(text: str | None) -> str:
    """Return a text without markup: tags stripped, entities resolved, NFKC, spaces single.

    A tag inside a line, as ``<highlighttext>``, joins what it parts; any other parts words. Signs that are
    not seen (control characters, soft hyphens, joiners) go. None is ``""``. Nothing is longer than `LONGEST_CLEANED`.
    """
    if not text:
        return ""
    bare = _TAG.sub(" ", _INLINE.sub("", text))
    bare = html.unescape(_NO_CHARACTER.sub("\ufffd", _ZEROS.sub("", bare)))
    start = " ".join(bare.split())[:LONGEST_CLEANED]  # NFKC makes up to 18 characters of one
    return " ".join(_UNSEEN.sub("", unicodedata.normalize("NFKC", start)).split())[:LONGEST_CLEANED].rstrip()


def lemmas(text: str) -> str:
    """Return the lemmas of a cleaned text, lower case, separated by spaces.

    Russian words are reduced to their first form, with е for ё; others stay as they are, names such as
    ``c++``, ``c#``, ``.net`` and ``1с`` whole. A word with a hyphen counts as its parts.
    """
    return " ".join([_lemma(token) for token in _TOKEN.findall(text.lower().replace("ё", "е"))])


def normalised(text: str) -> str:
    """Return the key of a cleaned text: its letters and digits, lower case, е for ё, spaces single.

    Texts that differ in case, punctuation or the dots of a cut end have one key.
    """
    return " ".join(re.findall(r"[^\W_]+", text.casefold().replace("ё", "е")))


@lru_cache(WORDS_KEPT)
def _lemma(token: str) -> str:
    if token in _MIXED:
        return _MIXED[token]
    if len(token) > LONGEST_WORD or not _RUSSIAN.fullmatch(token):
        return token
    return str(_analyser().parse(token)[0].normal_form).replace("ё", "е")


@cache
def _analyser() -> Any:
    import pymorphy3

    return pymorphy3.MorphAnalyzer(lang="ru")
