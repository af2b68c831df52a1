"""Settings: what is missing is named, and secrets do not show."""

import pytest

from xflow.errors import ConfigInvalid
from xflow.settings import ENVIRONMENT, REPOSITORY, Settings, read_env_file


def full():
    return {name: f"value-of-{name}" for name in ENVIRONMENT.values()}


def test_every_variable_arrives_in_its_attribute():
    settings = Settings.from_env(full())
    assert {name: getattr(settings, attribute) for attribute, name in ENVIRONMENT.items()} == full()


def test_missing_and_empty_variables_are_all_named():
    variables = full() | {"AWS_SECRET_ACCESS_KEY": ""}
    del variables["XFLOW_S3_BUCKET"]
    with pytest.raises(ConfigInvalid, match="XFLOW_S3_BUCKET, AWS_SECRET_ACCESS_KEY not set"):
        Settings.from_env(variables)


def test_secrets_do_not_show_in_repr():
    shown = repr(Settings.from_env(full()))
    for secret in ("AWS_SECRET_ACCESS_KEY", "XFLOW_GREENPLUM_DSN", "XFLOW_TARANTOOL_URI", "MLFLOW_TRACKING_PASSWORD"):
        assert f"value-of-{secret}" not in shown


def test_env_file_lines(tmp_path):
    path = tmp_path / ".env"
    path.write_text("# comment\n\nA=1\nexport B='two words'\nC=x=y\n")
    assert read_env_file(path) == {"A": "1", "B": "two words", "C": "x=y"}
    assert read_env_file(tmp_path / "absent") == {}


def test_example_file_lists_every_variable():
    assert set(ENVIRONMENT.values()) <= set(read_env_file(REPOSITORY / ".env.example"))
