"""Vacancies as numbers: words, characters, categories and counts, all fitted inside one sklearn Pipeline."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from xflow.candidate_params import EncodingParams

LEMMAS = "_lemmas"
LONG_TEXTS = frozenset({"description"})
"""Their characters are left out: they say little that the words do not, and take most of the time."""

MOST_FEATURES = 200_000
"""Of one block; the most frequent ones are kept."""


class TextBlock(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """TF-IDF of one text column; one column of zeros where the texts hold nothing to learn from.

    Parameters
    ----------
    analyzer
        ``word`` for texts of lemmas, ``char_wb`` for cleaned ones.
    shortest, longest
        Lengths of the runs of words or characters.
    min_df
        Texts in which a run must occur.
    """

    def __init__(self, analyzer: str = "word", shortest: int = 1, longest: int = 2, min_df: int = 2) -> None:
        self.analyzer, self.shortest, self.longest, self.min_df = analyzer, shortest, longest, min_df

    def fit(self, texts: pd.Series, y: Any = None) -> Self:  # noqa: ARG002  (sklearn's interface)
        """Learn vocabulary and frequencies from texts, shape (n,)."""
        self.fit_transform(texts)
        return self

    def fit_transform(self, texts: pd.Series, y: Any = None) -> sparse.csr_matrix:  # noqa: ARG002  (sklearn's interface)
        """Learn from texts and return their weights; to read them twice would take most of the time."""
        vectorizer = TfidfVectorizer(
            analyzer=self.analyzer,
            token_pattern=r"\S+" if self.analyzer == "word" else None,
            ngram_range=(self.shortest, self.longest),
            min_df=min(self.min_df, len(texts)),
            max_features=MOST_FEATURES,
            sublinear_tf=True,
            dtype=np.float32,
        )
        try:
            found = vectorizer.fit_transform(texts)
        except ValueError:  # no run of words occurs often enough: sklearn's way to say so
            self.vectorizer_ = None
            return self.transform(texts)
        self.vectorizer_ = vectorizer
        return found

    def transform(self, texts: pd.Series) -> sparse.csr_matrix:
        """Return TF-IDF weights, shape (n, features)."""
        if self.vectorizer_ is None:
            return sparse.csr_matrix((len(texts), 1), dtype=np.float32)
        return self.vectorizer_.transform(texts)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:  # noqa: ARG002
        """Return the runs of words or characters."""
        if self.vectorizer_ is None:
            return np.array(["nothing"], dtype=object)
        return np.asarray(self.vectorizer_.get_feature_names_out(), dtype=object)


class TextCounts(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """Length and make-up of texts: what is left of a text when its words are taken away."""

    SHARES = (("latin", "[A-Za-z]"), ("capitals", "[A-ZА-ЯЁ]"), ("digits", r"\d"), ("signs", r"[^\w\s]"))

    def fit(self, texts: pd.Series, y: Any = None) -> Self:  # noqa: ARG002  (sklearn's interface)
        """Learn nothing."""
        self.fitted_ = True
        return self

    def transform(self, texts: pd.Series) -> npt.NDArray[np.float64]:
        """Return counts, shape (n, 7)."""
        length, words = texts.str.len(), texts.str.count(" ") + (texts != "")
        shares = [texts.str.count(pattern) / length.clip(lower=1) for _, pattern in self.SHARES]
        cut = texts.str.endswith("...")
        return np.column_stack([np.log1p(length), length / words.clip(lower=1), cut, *shares]).astype(np.float64)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:  # noqa: ARG002
        """Return what is counted."""
        return np.array(["length", "word_length", "cut", *(name for name, _ in self.SHARES)], dtype=object)


def encoder(texts: tuple[str, ...], categories: tuple[str, ...], params: EncodingParams, seed: int) -> Pipeline:
    """Return an unfitted encoder of features frames.

    Every text column gives runs of its lemmas (`<column>_lemmas`), runs of characters inside its words
    (long texts do not) and counts; every category one column a value that occurs often enough. No target is
    looked at. A value not seen before counts as a rare one.

    Parameters
    ----------
    texts, categories
        Columns of the features frame.
    """
    blocks: list[tuple[str, Any, Any]] = []
    for text in texts:
        if params.words:
            blocks.append((f"{text}_words", TextBlock("word", 1, params.words, params.min_df), text + LEMMAS))
        if params.chars and text not in LONG_TEXTS:
            blocks.append((f"{text}_chars", TextBlock("char_wb", 2, params.chars, params.min_df), text))
    if params.components and blocks:
        blocks = [(name, _reduced(block, params.components, seed), column) for name, block, column in blocks]
    weights = {name: 1.0 for name, _, _ in blocks}
    for text in texts if params.counts else ():
        counts = Pipeline([("count", TextCounts()), ("scale", StandardScaler())])
        blocks.append((f"{text}_counts", counts, text))
        weights[f"{text}_counts"] = params.counts
    if categories and params.categories:
        one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5, dtype=np.float32)
        blocks.append(("categories", one_hot, list(categories)))
        weights["categories"] = params.categories
    return ColumnTransformer(blocks, transformer_weights=weights, sparse_threshold=1.0)


def _reduced(block: TextBlock, components: int, seed: int) -> Pipeline:
    return Pipeline([("tfidf", block), ("reduce", Components(components, seed))])


class Components(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """Truncated SVD that asks for no more components than there are features or rows."""

    def __init__(self, components: int = 100, seed: int = 0) -> None:
        self.components, self.seed = components, seed

    def fit(self, features: sparse.csr_matrix, y: Any = None) -> Self:  # noqa: ARG002  (sklearn's interface)
        """Learn the components of features, shape (n, f)."""
        count = min(self.components, min(features.shape) - 1)
        self.reduced_ = TruncatedSVD(count, random_state=self.seed).fit(features) if count > 0 else None
        return self

    def transform(self, features: sparse.csr_matrix) -> npt.NDArray[np.float64]:
        """Return components, shape (n, components)."""
        if self.reduced_ is None:
            return np.zeros((features.shape[0], 1))
        return np.asarray(self.reduced_.transform(features))

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:  # noqa: ARG002
        """Return numbers."""
        count = 1 if self.reduced_ is None else self.reduced_.n_components
        return np.array([f"component_{i}" for i in range(count)], dtype=object)
