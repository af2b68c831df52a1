"""Let the champion predict, and write its forecasts to S3 with a manifest that comes last."""

import json
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xflow.domain.forecaster import Forecaster
from xflow.domain.panel import Panel
from xflow.errors import ChampionMissing, ModelIncompatible
from xflow.pipeline import Pipeline
from xflow.ports import FeatureStore, ModelRegistry, ObjectStore
from xflow.refs import CheckedInput, FeatureSetRef, ModelVersionRef, ObjectRef, PredictionRef, RunKey
from xflow.schema import MANIFEST, MANIFEST_SCHEMA_VERSION, bound_names, prediction_schema
from xflow.steps.champion import mismatch
from xflow.steps.read_panel import read_panel

SERIES_A_CHUNK = 2_000
ROWS_A_PART = 2_000_000


def forecast(
    key: RunKey,
    pipeline: Pipeline,
    checked: CheckedInput,
    features: FeatureSetRef,
    horizon: int,
    git_commit: str,
    *,
    store: ObjectStore,
    feature_store: FeatureStore,
    registry: ModelRegistry,
    progress: Callable[[int, int], None] | None = None,
) -> PredictionRef:
    """Forecast every series of a ready feature set with the champion.

    Parameters
    ----------
    horizon
        Steps to forecast after each series' end, or after `as_of`, as the pipeline's `origin` says.
    progress
        Called with the number of series done and of all.

    Returns
    -------
    PredictionRef
        Prefix ``predictions/<pipeline>/<run>/`` with ``part-*.parquet`` and ``_manifest.json``.

    Raises
    ------
    ChampionMissing
        No model version is the champion: train first.
    ModelIncompatible
        The champion was trained for another frequency or other exogenous columns.
    """
    version = registry.champion(pipeline.name)
    if version is None:
        raise ChampionMissing(
            f"{pipeline.name}: no model version carries the alias champion. Run {pipeline.name}_train first."
        )
    model = registry.load(version)
    _check_compatible(model, version, pipeline)
    panel, origins = read_panel(feature_store, features)
    prefix = store.uri(f"predictions/{pipeline.name}/{key.slug}/")
    store.delete(prefix)
    writer = _PartWriter(store, prefix, key, pipeline, version)
    with writer:
        for first in range(0, panel.n_series, SERIES_A_CHUNK):
            chosen = np.arange(first, min(first + SERIES_A_CHUNK, panel.n_series))
            writer.write(model, panel.select(chosen), origins[chosen], horizon, _lead(pipeline, checked, panel, chosen))
            if progress:
                progress(int(chosen[-1]) + 1, panel.n_series)
    manifest = {
        "schema_version": MANIFEST_SCHEMA_VERSION,
        "run_key": str(key),
        "pipeline": pipeline.name,
        "as_of": checked.as_of,
        "horizon": horizon,
        "rows": writer.rows,
        "series": panel.n_series,
        "model": {"name": version.name, "version": version.version, "mlflow_run_id": version.mlflow_run_id},
        "feature_set": features.model_dump(mode="json"),
        "inputs": [o.model_dump(mode="json") for o in checked.objects],
        "parts": [o.model_dump(mode="json") for o in writer.parts],
        "git_commit": git_commit,
    }
    written = store.put(prefix + MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())
    return PredictionRef(
        prefix=prefix,
        manifest=written,
        rows=writer.rows,
        series=panel.n_series,
        model_name=version.name,
        model_version=version.version,
    )


def _check_compatible(model: Forecaster, version: ModelVersionRef, pipeline: Pipeline) -> None:
    if found := mismatch(model, pipeline):
        raise ModelIncompatible(
            f"{version.name} version {version.version} was {found}. Train again: {pipeline.name}_train."
        )


def _lead(pipeline: Pipeline, checked: CheckedInput, panel: Panel, chosen: np.ndarray) -> np.ndarray:
    """Return how many steps lie between each series' end and the forecast's origin."""
    if pipeline.model.origin == "series_end":
        return np.zeros(len(chosen), dtype=np.int64)
    return np.asarray(panel.steps_until(checked.as_of)[chosen])


class _PartWriter:
    """Streams forecasts into parquet parts on S3, one local file at a time."""

    def __init__(
        self, store: ObjectStore, prefix: str, key: RunKey, pipeline: Pipeline, version: ModelVersionRef
    ) -> None:
        self.parts: list[ObjectRef] = []
        self.rows = 0
        self._store, self._prefix, self._version = store, prefix, version
        self._mark = sha256(str(key).encode()).hexdigest()[:12]
        self._levels = pipeline.model.levels
        self._schema = prediction_schema(self._levels)
        self._folder = tempfile.TemporaryDirectory(prefix="xflow-")
        self._file: Path = Path(self._folder.name) / "part.parquet"
        self._open: pq.ParquetWriter | None = None
        self._rows_in_part = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._finish_part()
            elif self._open is not None:
                self._open.close()
        finally:
            self._folder.cleanup()

    def write(self, model: Forecaster, panel: Panel, origins: np.ndarray, horizon: int, lead: np.ndarray) -> None:
        """Forecast one chunk of series and append its rows."""
        for steps in np.unique(lead):
            same = np.flatnonzero(lead == steps)
            table = self._table(model, panel.select(same), origins[same], horizon, int(steps))
            if self._open is None:
                self._open = pq.ParquetWriter(self._file, self._schema, compression="zstd")
            self._open.write_table(table)
            self._rows_in_part += table.num_rows
            self.rows += table.num_rows
            if self._rows_in_part >= ROWS_A_PART:
                self._finish_part()

    def _table(self, model: Forecaster, panel: Panel, origins: np.ndarray, horizon: int, lead: int) -> pa.Table:
        made = model.forecast(panel, horizon + lead)
        n = panel.n_series
        flat = {"forecast": made.mean[:, lead:].ravel()}
        for name, bound in zip(bound_names(self._levels), made.bounds, strict=True):
            flat[name] = bound[:, lead:].ravel()
        numbers = np.arange(self.rows, self.rows + n * horizon)
        columns = {
            "prediction_id": pa.array([f"{self._mark}-{number}" for number in numbers], pa.string()),
            "series_id": pa.array(panel.ids.repeat(horizon), pa.string()),
            "timestamp": pa.array(panel.future_timestamps(horizon + lead)[:, lead:].ravel().astype("datetime64[us]")),
            "step": pa.array(np.tile(np.arange(1, horizon + 1, dtype=np.int32), n)),
            **{name: pa.array(values) for name, values in flat.items()},
            "model_name": pa.array([self._version.name] * (n * horizon)),
            "model_version": pa.array([self._version.version] * (n * horizon)),
            "input_row_id": pa.array(origins.repeat(horizon)),
        }
        return pa.Table.from_pydict(columns, schema=self._schema)

    def _finish_part(self) -> None:
        if self._open is None:
            return
        self._open.close()
        name = f"{self._prefix}part-{len(self.parts):05d}.parquet"
        written = self._store.put(name, self._file)
        self.parts.append(written.model_copy(update={"rows": self._rows_in_part}))
        self._open, self._rows_in_part = None, 0
