"""Splits that keep an employer, and texts that are nearly the same, on one side."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from pandas.util import hash_array
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from xflow.domain.vacancies.text import normalised
from xflow.errors import ContractViolated

SHINGLE = 3
SIMILAR = 0.8
"""Least Jaccard similarity of the shingles (runs of three words) of two near-duplicate texts."""

ROWS_A_CHUNK = 2_000

VACANCY, EMPLOYER, TEXT = range(3)
"""Places among `identities`."""

Indices = npt.NDArray[np.int64]


def groups(employers: Sequence[str], texts: Sequence[str]) -> Indices:
    """Return a group a row such that what belongs together shares one, shape (n,), numbered as they appear.

    Rows belong together when they have one employer (``""``, an anonymous one, links nobody), one
    `normalised` text, or texts whose sets of three-word runs have a Jaccard similarity of at least 0.8; and
    so do those that such rows join. Texts of fewer than three words join by equality alone, empty ones not.

    Notes
    -----
    Near-duplicates are found exactly, by prefix filtering (Chaudhuri et al. 2006, A primitive operator for
    similarity joins): of two sets as similar as that, the rarest (1 - 0.8) of the elements of one and of
    the other meet, so only texts that share a rare run are compared.

    Parameters
    ----------
    employers
        Ids, shape (n,).
    texts
        Lemmas of a text, shape (n,).
    """
    employer = _codes(employers)
    keys, text = np.unique([normalised(each) for each in texts], return_inverse=True)
    text = np.where(keys[text] == "", -1, text) if len(keys) else text.astype(np.int64)
    left, right = _near_duplicates([key.split() for key in keys])
    n, links = len(employer), []
    for nodes, first in ((employer, n), (text, n + len(employer))):
        rows = np.flatnonzero(nodes >= 0)
        links.append((rows, first + nodes[rows]))
    links.append((n + len(employer) + left, n + len(employer) + right))
    start, end = (np.concatenate(side) for side in zip(*links))
    size = 2 * n + len(keys)
    graph = sparse.coo_array((np.ones(len(start), dtype=bool), (start, end)), shape=(size, size))
    return _by_appearance(connected_components(graph, directed=False)[1][:n])


def identities(vacancies: Sequence[str], employers: Sequence[str], texts: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Return what each row may be known again by, as numbers, shape (n, 3): its id, its employer and its text.

    An anonymous employer, and an empty text, count as the id once more. Equal numbers mean equal values, other than
    by chance in 2**64.
    """
    ids = [f"vacancy {each}" for each in vacancies]
    employer = [f"employer {each}" if each else own for each, own in zip(employers, ids)]
    keys = [normalised(each) for each in texts]
    text = [f"text {each}" if each else own for each, own in zip(keys, ids)]
    columns = [hash_array(np.array(each, dtype=object), categorize=False) for each in (ids, employer, text)]
    return np.stack(columns, axis=1) if ids else np.zeros((0, 3), dtype=np.uint64)


def folds(groups: Indices, codes: Indices, k: int, seed: int) -> list[tuple[Indices, Indices]]:
    """Return train and test rows of `k` folds; every row is tested once, and no group is on both sides.

    Groups go, the largest first and equal ones in an order drawn with the seed, to the fold that has the
    fewest rows of their classes so far, so that the classes' shares are alike.

    Parameters
    ----------
    groups
        Shape (n,).
    codes
        Class of each row, -1 being one too, shape (n,).

    Raises
    ------
    ContractViolated
        There are fewer groups than folds.
    """
    names, group = np.unique(groups, return_inverse=True)
    if len(names) < k:
        raise ContractViolated(
            f"{len(groups)} vacancies are of {len(names)} groups (one employer, or nearly equal texts), fewer than the "
            f"{k} folds: collect vacancies of more employers, or set fewer model.folds."
        )
    _, classes = np.unique(codes, return_inverse=True)
    counts = np.zeros((len(names), classes.max() + 1))
    np.add.at(counts, (group, classes), 1)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    largest_first = shuffled[np.argsort(-counts.sum(axis=1)[shuffled], kind="stable")]
    rare = counts / counts.sum(axis=0)
    load, fold = np.zeros((k, counts.shape[1])), np.zeros(len(names), dtype=np.int64)
    for each in largest_first:
        fold[each] = np.argmin(load @ rare[each] + load.sum(axis=1) / (1e6 * len(groups)))
        load[fold[each]] += counts[each]
    return [(np.flatnonzero(fold[group] != i), np.flatnonzero(fold[group] == i)) for i in range(k)]


def _near_duplicates(words: Sequence[Sequence[str]]) -> tuple[Indices, Indices]:
    """Return pairs of texts, by index, whose shingles are similar; the texts are distinct."""
    sets = _shingles(words)
    sizes = np.diff(sets.indptr)
    prefixes = _prefixes(sets, sizes)
    pairs = [(np.zeros(0, dtype=np.int64),) * 2]
    for rows in _chunks(len(words)):
        met = sparse.triu(prefixes[rows] @ prefixes.T, k=rows.start + 1).tocoo()
        left, right = rows.start + met.row, met.col
        common = np.asarray(sets[left].multiply(sets[right]).sum(axis=1)).ravel()
        alike = common >= SIMILAR * (sizes[left] + sizes[right] - common) - 1e-9
        pairs.append((left[alike].astype(np.int64), right[alike].astype(np.int64)))
    left, right = zip(*pairs)
    return np.concatenate(left), np.concatenate(right)


def _shingles(words: Sequence[Sequence[str]]) -> sparse.csr_array:
    """Return which text has which shingle, 0 or 1, the columns from the rarest shingle to the most common."""
    found = [list({tuple(text[i : i + SHINGLE]) for i in range(len(text) - SHINGLE + 1)}) for text in words]
    number: dict[tuple[str, ...], int] = {}
    columns = np.array([number.setdefault(each, len(number)) for text in found for each in text], dtype=np.int64)
    ends = np.cumsum([0, *map(len, found)])
    frequency = np.bincount(columns, minlength=len(number))
    rank = np.empty(len(number), dtype=np.int64)
    rank[np.argsort(frequency, kind="stable")] = np.arange(len(number))
    sets = sparse.csr_array((np.ones(len(columns), np.int32), rank[columns], ends), shape=(len(words), len(number)))
    sets.sort_indices()
    return sets


def _prefixes(sets: sparse.csr_array, sizes: npt.NDArray) -> sparse.csr_array:
    """Return the sets with their rarest elements alone: as many as must include one of any similar set's."""
    lengths = sizes - np.ceil(SIMILAR * sizes - 1e-9).astype(np.int64) + (sizes > 0)
    place = np.arange(sets.nnz) - sets.indptr[:-1].repeat(sizes)
    kept = place < lengths.repeat(sizes)
    ends = np.append(0, np.cumsum(lengths))
    return sparse.csr_array((sets.data[kept], sets.indices[kept], ends), shape=sets.shape)


def _chunks(count: int) -> Iterator[slice]:
    return (slice(first, min(first + ROWS_A_CHUNK, count)) for first in range(0, count, ROWS_A_CHUNK))


def _codes(names: Sequence[str]) -> Indices:
    """Return a number for each distinct name, -1 for ``""``, shape (n,)."""
    found, codes = np.unique(np.asarray(names, dtype=str), return_inverse=True)
    return np.where(found[codes] == "", -1, codes) if len(found) else codes.astype(np.int64)


def _by_appearance(labels: npt.NDArray) -> Indices:
    _, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[codes]
