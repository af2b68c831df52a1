"""Vacancies many of which belong together, and the definition of that, pair by pair."""

import itertools

from hypothesis import strategies as st

from xflow.domain.vacancies.text import normalised

WORDS = ["вести", "учет", "товар", "склад", "прием", "заказ", "клиент", "отчет", "договор", "касса"]
texts = st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)


@st.composite
def vacancies(draw):
    """Employers and texts, many of which are slightly changed copies of one another."""
    base = draw(st.lists(texts, min_size=1, max_size=6))
    rows = draw(st.lists(st.tuples(st.sampled_from(["", "a", "b", "c", "d", "e", "f"]), st.sampled_from(base), texts)))
    return [employer for employer, _, _ in rows], [(text + " " + tail[:12]).strip() for _, text, tail in rows]


def similar(one, other):
    """The definition, pair by pair."""
    if normalised(one) == normalised(other):
        return normalised(one) != ""
    sets = [{tuple(words[i : i + 3]) for i in range(len(words) - 2)} for words in (one.split(), other.split())]
    either = len(sets[0] | sets[1])
    return either > 0 and len(sets[0] & sets[1]) / either >= 0.8


def crosses(employers, texts, left, right):
    """Return pairs of rows on two sides that belong together."""
    return [
        (i, j)
        for i, j in itertools.product(left, right)
        if (employers[i] and employers[i] == employers[j]) or similar(texts[i], texts[j])
    ]
