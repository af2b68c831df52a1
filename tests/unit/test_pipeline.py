"""Pipeline files: what is read, and what is refused with which words."""

import pytest
import yaml

from xflow.errors import ConfigInvalid
from xflow.pipeline import load, load_all
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
        ("contract", "max_rejected", 1.5, "contract.max_rejected"),
    ],
)
def test_wrong_field_is_named(tmp_path, document, section, field, value, words):
    (document[section] if section else document)[field] = value
    with pytest.raises(ConfigInvalid, match=words):
        load(write(tmp_path, document))


def test_file_name_and_pipeline_name_must_agree(tmp_path, document):
    with pytest.raises(ConfigInvalid, match="the file is 'other'"):
        load(write(tmp_path, document, "other"))


def test_what_is_not_yaml_says_so(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("pipeline: [")
    with pytest.raises(ConfigInvalid, match="not YAML"):
        load(path)
