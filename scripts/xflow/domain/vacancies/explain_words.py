"""What a member's features mean to a reader: words and phrases, counts and categories.

A model sees runs of words and characters. What it owes to one of those is shared out among the words behind it, so
that the sum stays what it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from xflow.domain.vacancies.encoding import LEMMAS
from xflow.domain.vacancies.text import lemmas

type Shares = Mapping["Feature", float]


@dataclass(frozen=True, slots=True, order=True)
class Feature:
    """What a reader knows of a vacancy.

    Attributes
    ----------
    column
        Of the features frame: a text or a category.
    kind
        ``word``, ``phrase``, ``absent`` (a word that the text does not have), ``count``, ``category`` or ``other``.
    name
        The word, the value of the category, or what is counted.
    """

    column: str
    kind: str
    name: str


UNKNOWN = "a text without known words"


def shares(name: str, block: Any, columns: Any, frame: pd.DataFrame, present: np.ndarray) -> list[Shares]:
    """Return for each feature of one of an encoder's blocks what it stands for; the shares of each sum to 1.

    Parameters
    ----------
    name, block, columns
        As the encoder has them; components stand for nothing by themselves, see `explain_components`.
    frame
        One row.
    present
        Which features the row has, shape (f,).
    """
    if name == "categories":
        return [_category(each, columns, frame) for each in block.get_feature_names_out()]
    if name.endswith("_counts"):
        return [{Feature(columns, "count", each): 1.0} for each in block["count"].get_feature_names_out()]
    if block.vectorizer_ is None:
        return [{Feature(columns.removesuffix(LEMMAS), "other", UNKNOWN): 1.0}] * len(present)
    meanings = meanings_of(block, columns, frame)
    return [meanings.of(*each) for each in zip(block.get_feature_names_out(), present.tolist(), strict=True)]


def meanings_of(block: Any, column: str, frame: pd.DataFrame) -> "Words":
    """Return what the terms of a fitted `TextBlock` mean in one text."""
    shown = column.removesuffix(LEMMAS)
    return Words(shown) if block.analyzer == "word" else Characters(shown, str(frame[column].iloc[0]))


class Words:
    """Meanings of runs of lemmas."""

    def __init__(self, column: str) -> None:
        self.column = column

    def of(self, term: str, present: bool) -> Shares:
        """Return the word or phrase that a term is, or that it is absent."""
        kind = ("phrase" if " " in term else "word") if present else "absent"
        return {Feature(self.column, kind, str(term)): 1.0}

    def words(self, term: str) -> Shares:
        """Return the words of the text that a present term is made of."""
        parts = str(term).split()
        found: dict[Feature, float] = {}
        for part in parts:
            feature = Feature(self.column, "word", part)
            found[feature] = found.get(feature, 0.0) + 1 / len(parts)
        return found


class Characters(Words):
    """Meanings of runs of characters: the words of the text that hold them, by how often each does."""

    def __init__(self, column: str, text: str) -> None:
        super().__init__(column)
        self._words = [(f" {token} ", lemmas(token) or token) for token in text.lower().split()]

    def of(self, term: str, present: bool) -> Shares:
        """Return the words of the text that hold a run."""
        held = [(name, word.count(term)) for word, name in self._words if term in word] if present else []
        if not held:
            return {Feature(self.column, "other", "characters that the text does not have"): 1.0}
        total = sum(count for _, count in held)
        found: dict[Feature, float] = {}
        for name, count in held:
            feature = Feature(self.column, "word", name)
            found[feature] = found.get(feature, 0.0) + count / total
        return found

    def words(self, term: str) -> Shares:
        """Return the words of the text that hold a run."""
        return self.of(term, present=True)


def _category(name: str, columns: list[str], frame: pd.DataFrame) -> Shares:
    """Return the category that a column of a one-hot block belongs to, with the value that the row has."""
    column = max((each for each in columns if name.startswith(f"{each}_")), key=len)
    return {Feature(column, "category", str(frame[column].iloc[0])): 1.0}
