"""Names that two pipelines, or a pipeline and xFlow itself, would both make."""

import re

import pytest
import yaml

from xflow import names
from xflow.columns import RESERVED
from xflow.errors import ConfigInvalid
from xflow.pipeline import Pipeline, load, load_all
from xflow.settings import REPOSITORY
from xflow.vacancy_pipeline import VacancyPipeline

SHIPPED = REPOSITORY / "dags" / "pipelines"
SQL = REPOSITORY / "scripts" / "xflow" / "sql"


def write(folder, name, source="tourism_monthly"):
    document = yaml.safe_load((SHIPPED / f"{source}.yaml").read_text()) | {"pipeline": name}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("vacancies", "vacancies_salary", "the registered model vacancies_salary, which is that of pipeline vacancies"),
        ("vacancies", "vacancies_demand", "the registered model vacancies_demand"),
        ("tourism_monthly", "tourism_monthly_train", "the DAG tourism_monthly_train"),
        ("tourism_monthly", "tourism_monthly_deploy", "the DAG tourism_monthly_deploy"),
    ],
)
def test_the_longer_of_two_names_gives_way(tmp_path, first, second, words):
    older, newer = write(tmp_path, first, first), write(tmp_path, second)
    with pytest.raises(ConfigInvalid, match=words):
        load(newer)
    with pytest.raises(ConfigInvalid, match=words):
        load_all(tmp_path)
    assert load(older).name == first


def test_a_name_may_go_on_from_another(tmp_path):
    for name in ("sales", "sales_salary", "sales_daily", "sales_d"):
        write(tmp_path, name)
    assert len(load_all(tmp_path)) == 4


def test_a_pipeline_does_not_take_a_table_of_xflow(tmp_path):
    with pytest.raises(ConfigInvalid, match=r"the table served_prediction, which is that of xFlow itself"):
        load(write(tmp_path, "served"))


def test_a_wrong_file_beside_does_not_stop_a_pipeline(tmp_path):
    (tmp_path / "sales.yaml").write_text("pipeline: [")
    assert load(write(tmp_path, "sales_daily")).name == "sales_daily"


def test_every_wrong_file_is_told_at_once(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("pipeline: [")
    with pytest.raises(ConfigInvalid, match=re.compile(r"a\.yaml.*b\.yaml", re.DOTALL)):
        load_all(tmp_path)


def test_every_table_that_the_sql_makes_is_known():
    made = re.findall(r"CREATE (?:TABLE|VIEW) mart\.(\S+)", "\n".join(each.read_text() for each in SQL.glob("*.sql")))
    known = {f"${{pipeline}}_{table}" for tables in names.PIPELINE_TABLES.values() for table in tables}
    known |= {"${pipeline}_history"} | names.TABLES
    assert set(made) <= known
    assert set(made) >= names.TABLES


def test_the_longest_name_fits_the_database():
    for kind in ("forecasting", "vacancies"):
        assert max(map(len, names.made("n" * 40, kind)["table"])) <= names.LONGEST


def test_the_models_are_those_of_the_pipelines(tmp_path):
    for found in (load(SHIPPED / "vacancies.yaml"), load(SHIPPED / "tourism_monthly.yaml")):
        assert {found.model_name(target) for target in found.targets} == names.made(found.name, found.kind)[
            "registered model"
        ]
    assert {Pipeline, VacancyPipeline} == {type(load(path)) for path in SHIPPED.glob("*.yaml")}


@pytest.mark.parametrize("column", sorted(RESERVED))
def test_an_exogenous_column_has_a_name_of_its_own(tmp_path, column):
    path = write(tmp_path, "sales")
    document = yaml.safe_load(path.read_text())
    document["input"]["exogenous"] = [column]
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(ConfigInvalid, match=f"{column} is a column that xFlow or the database has"):
        load(path)


@pytest.mark.parametrize("column", ["Promo", "_x", "1st", "a" * 64, "promo\n", "naïve", "a-b", ""])
def test_an_exogenous_column_is_a_plain_name(tmp_path, column):
    path = write(tmp_path, "sales")
    document = yaml.safe_load(path.read_text())
    document["input"]["exogenous"] = [column]
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(ConfigInvalid, match="exogenous columns need distinct names of at most 63"):
        load(path)
