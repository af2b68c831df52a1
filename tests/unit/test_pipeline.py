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


def overlay(folder, document, environment="staging", name="tourism_monthly"):
    (folder / environment).mkdir(exist_ok=True)
    return write(folder / environment, document, name)


def test_an_environment_changes_what_its_file_says_and_nothing_else(tmp_path, document):
    path, changed = write(tmp_path, document), {"schedule": None, "model": {"trials": 1, "levels": [0.5]}}
    overlay(tmp_path, changed)
    base, staging = load(path), load(path, "staging")
    assert (staging.schedule, staging.model.trials, staging.model.levels) == (None, 1, (0.5,))
    same = base.model.model_copy(update={"trials": 1, "levels": (0.5,)})
    assert staging == base.model_copy(update={"schedule": None, "model": same})
    assert load(path, "prod") == load(path, "dev") == base


def test_the_environment_is_that_of_the_settings(tmp_path, document, monkeypatch):
    path = write(tmp_path, document)
    overlay(tmp_path, {"model": {"trials": 1}}, "dev")
    monkeypatch.setenv("XFLOW_ENV", "dev")
    assert load(path).model.trials == 1
    monkeypatch.setenv("XFLOW_ENV", "test")
    with pytest.raises(ConfigInvalid, match="XFLOW_ENV is 'test': choose from dev, staging, prod"):
        load(path)


def test_a_wrong_field_of_an_environment_names_both_files(tmp_path, document):
    path, over = write(tmp_path, document), overlay(tmp_path, {"model": {"trails": 1}})
    with pytest.raises(ConfigInvalid, match=re.escape(f"{path} with {over}: model.trails")):
        load(path, "staging")


def test_an_empty_file_of_an_environment_changes_nothing(tmp_path, document):
    path, over = write(tmp_path, document), overlay(tmp_path, {})
    over.write_text("")
    assert load(path, "staging") == load(path)


def test_a_file_of_an_environment_needs_one_to_change(tmp_path, document):
    write(tmp_path, document)
    over = overlay(tmp_path, {}, name="turism_monthly")
    with pytest.raises(ConfigInvalid, match=re.escape(str(over))):
        load_all(tmp_path)


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
