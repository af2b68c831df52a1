"""S3 goes away in the middle of a run: nothing half-written stays, and the same run then ends as any other."""

import io
from dataclasses import replace
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest

from xflow.errors import ServiceUnavailable
from xflow.pipeline import Pipeline
from xflow.refs import FeatureSetRef, RunKey
from xflow.runner import Runner
from xflow.settings import Settings
from xflow.steps.kinds.read_panel import read_panel

pytestmark = pytest.mark.services

SERIES, MONTHS = 400, 120


def parquet() -> bytes:
    """Return an input of some 400 kB, many times what the line lets through."""
    times = pd.period_range("2014-01", periods=MONTHS, freq="M").to_timestamp()
    frame = pd.DataFrame(
        {
            "series_id": np.repeat([f"s{i:03d}" for i in range(SERIES)], MONTHS),
            "timestamp": np.tile(times, SERIES),
            "value": np.random.default_rng(0).normal(size=SERIES * MONTHS),
        }
    )
    written = io.BytesIO()
    frame.to_parquet(written, index=False)
    return written.getvalue()


def pipeline(key: RunKey) -> Pipeline:
    place = f"input/{key.pipeline}/rows.parquet"
    return Pipeline.model_validate(
        {
            "pipeline": key.pipeline,
            "description": "Random series.",
            "input": {"train": place, "predict": place},
            "contract": {"frequency": "M"},
            "model": {
                "seasonality": 12,
                "horizon": 6,
                "candidates": [{"name": "seasonal_naive", "kind": "seasonal_naive"}],
            },
        }
    )


@pytest.mark.parametrize("step", ["check_contract", "load_mart", "write_features"])
def test_s3_goes_away_in_the_middle_of_a_step(stores: Settings, key: RunKey, cut_line, step: str) -> None:
    config, address = pipeline(key), urlsplit(stores.s3_endpoint)
    near = Runner(stores, config, key)
    near.store.put(config.input.train, parquet())
    line = cut_line(address.hostname, address.port, 100_000)
    far = Runner(replace(stores, s3_endpoint=f"http://127.0.0.1:{line.port}"), config, key)
    table = f"{key.pipeline}_input"

    given = () if step == "check_contract" else (near.check_contract(),)
    with pytest.raises(ServiceUnavailable):
        getattr(far, step)(*given)
    assert near.mart.count(key, table) == 0
    ledger = near.mart.run(key)
    assert ledger is not None
    assert ledger["state"] == "failed"
    assert ledger["message"].startswith(f"{step}: ServiceUnavailable")

    for _ in range(2):
        checked = near.check_contract()
        near.load_mart(checked)
        features = near.write_features(checked)
        assert near.mart.count(key, table) == SERIES * MONTHS
        panel, _ = read_panel(near.features, FeatureSetRef.model_validate(features))
        assert (panel.n_series, panel.total) == (SERIES, SERIES * MONTHS)
