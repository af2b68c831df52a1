"""What the file of a vacancies pipeline may say."""

from typing import Any

import pytest
from pydantic import ValidationError

from xflow.vacancy_pipeline import VacancyPipeline


def document(**sections: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "pipeline": "jobs",
        "kind": "vacancies",
        "description": "",
        "input": {"train": "in/", "predict": "in/"},
        "collect": {"user_agent": "xflow/1.0 (me@my.domain)", "queries": [{"area": ["1"]}], "market": "jobs_market"},
        "model": {"candidates": [{"name": "majority", "kind": "majority"}]},
    }
    return {name: value | sections.get(name, {}) if isinstance(value, dict) else value for name, value in made.items()}


def test_a_right_file_is_taken() -> None:
    assert VacancyPipeline.model_validate(document()).targets == ("salary", "demand")


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        ({"kind": "aft"}, r"kind aft predicts days: give it targets: \[demand\]"),
        ({"kind": "aft", "targets": ["demand"], "params": {"scale": 0}}, "scale is 0, wanted is greater than 0"),
        ({"kind": "aft", "targets": ["demand"], "params": {"distribution": "weibull"}}, "distribution is 'weibull'"),
        ({"kind": "logistic", "search": {"C": [0.5, 0.05]}}, "low is below high"),
        ({"kind": "logistic", "params": {"words": 0, "chars": 0}}, "words, chars and counts are 0"),
        ({"kind": "xgb", "params": {"chars": 1}}, "runs of characters are 2 long and longer"),
        ({"kind": "xgb", "params": {"seed": 1}}, "seed is no parameter of it"),
        ({"kind": "majority", "params": {"words": 1}}, "These are: none"),
    ],
)
def test_a_wrong_value_of_a_candidate_is_refused(candidate: dict[str, Any], message: str) -> None:
    candidates = [{"name": "majority", "kind": "majority"}, {"name": "c", **candidate}]
    with pytest.raises(ValidationError, match=message):
        VacancyPipeline.model_validate(document(model={"categories": [], "candidates": candidates}))


@pytest.mark.parametrize(
    ("section", "wrong", "message"),
    [
        ("model", {"demand": {"boundaries": [float("nan"), 20]}}, "finite number"),
        ("model", {"demand": {"boundaries": [10, float("nan")]}}, "finite number"),
        ("model", {"salary": {"boundaries": [10, float("inf")]}}, "finite number"),
        ("model", {"salary": {"boundaries": [0, 10]}}, "finite and ascend"),
        ("model", {"salary": {"boundaries": []}}, "finite and ascend"),
        ("model", {"demand": {"boundaries": [10, 10.0000001]}}, "first six digits"),
        ("collect", {"url": "ftp://api.hh.ru"}, "write the API's address"),
        ("collect", {"url": "https://me:secret@api.hh.ru"}, "write the API's address"),
        ("model", {"texts": ["responsibility", "responsibility"]}, "name each column once"),
        ("model", {"categories": ["area_id", "area_id"]}, "name each column once"),
        ("contract", {"rates": {"USD": float("inf")}}, "finite number"),
        ("collect", {"user_agent": "xflow/1.0 (me@my.domain)\n"}, "user agent with a contact"),
        ("collect", {"market": "../../etc/passwd"}, "match pattern"),
    ],
)
def test_a_wrong_value_is_refused_where_it_stands(section: str, wrong: dict[str, Any], message: str) -> None:
    made = document(**{section: wrong})
    made.setdefault(section, wrong)
    with pytest.raises(ValidationError, match=message):
        VacancyPipeline.model_validate(made)
