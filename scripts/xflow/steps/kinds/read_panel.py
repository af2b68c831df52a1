"""Read a feature set back as the panel that models take."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from xflow.domain.panel import Panel
from xflow.ports import FeatureStore, SeriesBlock
from xflow.refs import FeatureSetRef


def read_panel(features: FeatureStore, ref: FeatureSetRef) -> tuple[Panel, npt.NDArray[np.int64]]:
    """Return the panel of a ready feature set, sorted by series id, and each series' origin row id.

    Raises
    ------
    FeatureSetMissing
        The set is absent, not ready or damaged.
    """
    facts, stream = features.read(ref)
    exogenous = tuple(name for name in facts["exogenous"].split(",") if name)
    values = np.empty(ref.rows)
    ids, starts, origins, lengths, known, gaps = [], [], [], [], [], []
    exog, end = [], 0
    for block in stream:
        start, end = end, end + len(block.values)
        values[start:end] = block.values
        ids.append(block.series_id)
        starts.append(block.start)
        origins.append(block.origin_row_id)
        lengths.append(len(block.values))
        gaps.append(block.gap)
        if exogenous:
            exog.append(block.exogenous)
            known.append(len(block.exogenous))
    panel = Panel(
        freq=facts["frequency"],
        ids=np.array(ids, dtype=object),
        starts=np.array(starts, dtype=np.int64),
        offsets=_offsets(lengths),
        values=values,
        exog_names=exogenous,
        exog_offsets=_offsets(known),
        exog=np.concatenate(exog) if exog else np.zeros((0, len(exogenous))),
        gaps=np.array(gaps, dtype=np.int64),
    )
    return panel, np.array(origins, dtype=np.int64)


def panel_of(facts: Mapping[str, str], blocks: Sequence[SeriesBlock]) -> Panel:
    """Return the panel of some series as they lie in a feature set, at least one, in their order."""
    exogenous = tuple(name for name in facts["exogenous"].split(",") if name)
    return Panel(
        freq=facts["frequency"],
        ids=np.array([block.series_id for block in blocks], dtype=object),
        starts=np.array([block.start for block in blocks], dtype=np.int64),
        offsets=_offsets([len(block.values) for block in blocks]),
        values=np.concatenate([block.values for block in blocks]),
        exog_names=exogenous,
        exog_offsets=_offsets([len(block.exogenous) for block in blocks] if exogenous else []),
        exog=np.concatenate([block.exogenous for block in blocks]) if exogenous else np.zeros((0, 0)),
        gaps=np.array([block.gap for block in blocks], dtype=np.int64),
    )


def _offsets(lengths: list[int]) -> npt.NDArray[np.int64]:
    return np.append(0, np.cumsum(lengths)).astype(np.int64)
