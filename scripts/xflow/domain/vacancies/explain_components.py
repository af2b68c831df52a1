"""What each word of a text does through components of many words.

A component tells nothing to a reader, and what the model owes to it cannot be read off the words behind it, which
cancel one another. So the words are taken away instead, in many orders, and what each changes on its way is averaged:
Shapley values by sampling (Castro et al. 2009, Polynomial calculation of the Shapley value based on sampling). They sum
to what all words together change; what is left of the components' own account is owed to what the texts do not say.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.pipeline import Pipeline

from xflow.domain.contributions import Floats
from xflow.domain.vacancies.explain_words import Feature, meanings_of

ORDERS = 16
"""Half of them the other half backwards, which halves the noise of the first and the last."""

UNSAID = Feature("texts", "other", "what the texts do not say")


@dataclass(frozen=True, slots=True)
class _Block:
    """Components of one text: where they lie in the row, and what each word weighs in the text's own terms.

    `weights` has shape (words, terms), `loadings` (components, terms).
    """

    place: slice
    weights: Floats
    loadings: Floats

    def encode(self, words: np.ndarray) -> Floats:
        """Return the components of texts of some of the words, shape (n, words) to (n, components)."""
        terms = words.astype(np.float64) @ self.weights
        size = np.linalg.norm(terms, axis=1, keepdims=True)
        return np.asarray((terms / np.where(size > 0, size, 1.0)) @ self.loadings.T)


def is_reduced(block: Any) -> bool:
    """Say whether a block of an encoder gives components of words, of at least one."""
    return isinstance(block, Pipeline) and "reduce" in block.named_steps


def word_values(
    encode: Any, encoded: Any, frame: pd.DataFrame, margins: Callable[[Any], Floats], own: Floats
) -> dict[Feature, Floats]:
    """Return what each word of one row adds through components, as margins, shape (m,) each.

    Parameters
    ----------
    encode
        The fitted encoder, `encoded` what it makes of `frame`, shape (1, f).
    margins
        From rows of features, shape (n, f), to margins, shape (n, m).
    own
        What the model's account owes to all components, shape (m,): the values returned sum to it.
    """
    words: dict[Feature, int] = {}
    parts = [
        part
        for name, block, column in encode.transformers_
        if is_reduced(block) and (part := _weighed(encode.output_indices_[name], block, column, frame, words))
    ]
    if not words:
        return {UNSAID: own}
    blocks = [
        _Block(place, np.vstack([rows, np.zeros((len(words) - len(rows), rows.shape[1]))]), loadings)
        for place, rows, loadings in parts
    ]
    row = encoded.toarray() if sparse.issparse(encoded) else np.asarray(encoded)

    def value(kept: np.ndarray) -> Floats:
        rows = np.repeat(row, len(kept), axis=0)
        for block in blocks:
            rows[:, block.place] = block.encode(kept)
        return margins(sparse.csr_matrix(rows) if sparse.issparse(encoded) else rows)

    found = _shapley(value, len(words))
    return {**{feature: found[at] for feature, at in words.items()}, UNSAID: own - found.sum(axis=0)}


def _shapley(value: Callable[[np.ndarray], Floats], count: int) -> Floats:
    """Return what each of `count` words changes on average over orders of adding them, shape (count, m)."""
    rng = np.random.default_rng(0)
    half = [rng.permutation(count) for _ in range(ORDERS // 2)]
    total: Any = 0.0
    for order in [each for some in half for each in (some, some[::-1])]:
        kept = np.zeros((count + 1, count), dtype=bool)
        for added, word in enumerate(order):
            kept[added + 1 :, word] = True
        steps = np.diff(value(kept), axis=0)
        changes = np.empty_like(steps)
        changes[order] = steps
        total = total + changes
    return np.asarray(total / ORDERS)


def _weighed(
    place: slice, block: Pipeline, column: str, frame: pd.DataFrame, words: dict[Feature, int]
) -> tuple[slice, Floats, Floats] | None:
    """Return what every word weighs in the terms of one text, shape (words so far, terms), and the terms' loadings.

    New words are numbered.
    """
    tfidf, reduce = block["tfidf"], block["reduce"]
    if tfidf.vectorizer_ is None or reduce.reduced_ is None:
        return None
    found = tfidf.transform(frame[column]).tocsr()
    terms, meanings = tfidf.get_feature_names_out(), meanings_of(tfidf, column, frame)
    cells = []
    for at, (term, weight) in enumerate(zip(terms[found.indices], found.data.tolist(), strict=True)):
        for feature, share in meanings.words(term).items():
            if feature.kind == "word":
                cells.append((words.setdefault(feature, len(words)), at, share * weight))
    rows = np.zeros((len(words), len(found.indices)))
    for word, at, weight in cells:
        rows[word, at] += weight
    return place, rows, reduce.reduced_.components_[:, found.indices]
