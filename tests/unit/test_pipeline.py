"""Pipeline files: what is read, and what is refused with which words."""

import re
from typing import get_args

import pytest
import yaml

from xflow.domain.statistical import MODELS
from xflow.errors import ConfigInvalid
from xflow.pipeline import Candidate, load, load_all
from xflow.settings import REPOSITORY

SHIPPED = REPOSITORY / "dags" / "pipelines"


@pytest.fixture
def document():
    return yaml.safe_load((SHIPPED / "tourism_monthly.yaml").read_text())


def write(folder, document, name="tourism_monthly"):
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_every_shipped_pipeline_is_valid():
    assert "tourism_monthly" in [pipeline.name for pipeline in load_all(SHIPPED)]


def test_absent_file_names_the_choices():
    with pytest.raises(ConfigInvalid, match="There are: tourism_monthly"):
        load(SHIPPED / "tourism_montly.yaml")


@pytest.mark.parametrize(
    ("section", "field", "value", "words"),
    [
        (None, "pipeline", "Tourism-Monthly", "lower-case"),
        (None, "horizons", 3, "horizons"),
        ("model", "floor", "naive", "not among the candidates"),
        ("model", "horizon", 0, "model.horizon"),
        ("model", "levels", [0.8, 1.2], "percentages"),
        ("model", "metric", "mape", "model.metric"),
        ("input", "exogenous", ["value"], "exogenous columns need distinct"),
        ("input", "columns", {"value": "series_id"}, "series_id: one column cannot be two"),
        ("contract", "max_rejected", 1.5, "contract.max_rejected"),
        ("contract", "frequency", "monthly", "contract.frequency"),
        ("model", "candidates", [{"name": "a", "kind": "etz"}], "'seasonal_naive', 'theta', 'ets'"),
        ("model", "candidates", [{"name": "a/b", "kind": "ets"}], r"model.candidates.0.name"),
        ("model", "candidates", [{"name": "a", "kind": "ets", "search": {"x": 3}}], r"search.x"),
    ],
)
def test_wrong_field_is_named(tmp_path, document, section, field, value, words):
    (document[section] if section else document)[field] = value
    with pytest.raises(ConfigInvalid, match=words):
        load(write(tmp_path, document))


def test_an_exogenous_column_cannot_also_be_the_value(tmp_path, document):
    document["input"] |= {"columns": {"value": "sales"}, "exogenous": ["sales"]}
    with pytest.raises(ConfigInvalid, match="sales: one column cannot be two"):
        load(write(tmp_path, document))


@pytest.mark.parametrize("frequency", ["M", "D", "h", "15min", "W-SUN", "Q-DEC", "Y-DEC", "W", "4h"])
def test_period_aliases_are_frequencies(tmp_path, document, frequency):
    document["contract"]["frequency"] = frequency
    assert load(write(tmp_path, document)).contract.frequency == frequency


def test_file_name_and_pipeline_name_must_agree(tmp_path, document):
    with pytest.raises(ConfigInvalid, match="the file is 'other'"):
        load(write(tmp_path, document, "other"))


def test_what_is_not_yaml_says_so(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("pipeline: [")
    with pytest.raises(ConfigInvalid, match="not YAML"):
        load(path)


def test_the_example_in_the_readme_is_valid(tmp_path):
    (example,) = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    path = tmp_path / "shop_weekly.yaml"
    path.write_text(example)
    assert load(path).contract.min_length == 76


def test_every_kind_of_candidate_has_a_model():
    kinds = get_args(Candidate.model_fields["kind"].annotation)
    assert {"global_xgb", *MODELS} == set(kinds)
