"""What each word adds to a cohort's probability, and that it adds up."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cohort_frames import made_frame, salary

from xflow.domain.vacancies.calibration import Calibration
from xflow.domain.vacancies.candidates import Setting, build
from xflow.domain.vacancies.cohorts import demand_labels
from xflow.domain.vacancies.explain import explain
from xflow.domain.vacancies.explain_components import word_values
from xflow.domain.vacancies.model import CohortModel, Member
from xflow.domain.vacancies.text import lemmas
from xflow.vacancy_pipeline import DemandTarget

SETTING = Setting(("responsibility",), ("experience_id",), (10.0, 20.0), device="cpu")
TREES = {"trees": 30, "min_child_weight": 1.0, "colsample": 1.0, "learning_rate": 0.3, "chars": 0}
CANDIDATES = {
    "logistic": ("logistic", {"C": 1.0}),
    "words": ("logistic", {"C": 1.0, "chars": 0, "words": 2}),
    "counts": ("logistic", {"C": 1.0, "chars": 0, "counts": 0.1}),
    "components": ("xgb", {**TREES, "components": 8}),
    "characters": ("xgb", {**TREES, "components": 8, "chars": 3}),
    "trees": ("xgb", TREES),
    "majority": ("majority", {}),
}


def fitted(frame, labels, names, candidates=CANDIDATES, setting=SETTING) -> CohortModel:
    shift = Calibration(1.3, np.linspace(-0.2, 0.2, len(labels.cohorts)))
    members = {
        name: Member(1 / len(names), build(*candidates[name], setting).fit(frame, labels).pipeline, shift)
        for name in names
    }
    return CohortModel("salary", labels.cohorts, (1.0,), "", setting.texts, setting.categories, members)


@pytest.fixture(scope="module")
def frame():
    return made_frame(150)


@pytest.fixture(scope="module")
def model(frame):
    return fitted(frame, salary(frame), [*CANDIDATES])


def test_contributions_of_every_member_sum_to_its_margins(frame, model):
    made = model.probabilities(frame)
    for row in (0, 7, 31):
        for cohort, probability in zip(model.cohorts, made[row], strict=True):
            found = explain(model, frame.iloc[[row]], cohort)
            assert found.sums_hold
            assert found.probabilities[cohort] == pytest.approx(probability, abs=1e-7)
            assert sum(each.weight * each.probability for each in found.members) == pytest.approx(probability, abs=1e-6)
            for member in found.members:
                total = member.base + sum(reason.contribution for reason in member.reasons)
                assert total == pytest.approx(member.margin, abs=1e-4)


def test_a_broken_sum_is_seen(frame, model, monkeypatch):
    pipeline = model.members["words"].pipeline
    whole = type(pipeline["model"]).contributions

    def wrong(self, features):
        account = whole(self, features)
        return replace(account, base=account.base - 1)

    monkeypatch.setattr(type(pipeline["model"]), "contributions", wrong)
    assert not explain(model, frame.iloc[[0]], model.cohorts[0]).sums_hold


def one_word(count=160):
    """Return vacancies whose salary one word alone decides."""
    rng = np.random.default_rng(3)
    noise = [f"w{i}q" for i in range(80)]
    rich = rng.random(count) < 0.5
    texts = [" ".join(rng.permutation([*rng.choice(noise, 6), *(["архитектор"] if each else [])])) for each in rich]
    frame = pd.DataFrame({"responsibility": texts, "responsibility_lemmas": [lemmas(text) for text in texts]})
    return frame.assign(experience_id="", salary_net=np.where(rich, 250_000.0, 60_000.0)), rich


@pytest.mark.parametrize("name", ["logistic", "words", "components", "characters", "trees"])
def test_the_word_that_decides_comes_first(name):
    frame, rich = one_word()
    model = fitted(frame, salary(frame), [name])
    first = int(np.flatnonzero(rich)[0])
    cohort = model.cohorts[int(model.probabilities(frame.iloc[[first]])[0].argmax())]
    (feature, points), *_ = explain(model, frame.iloc[[first]], cohort).reasons
    assert (feature.column, feature.kind, feature.name) == ("responsibility", "word", "архитектор")
    assert points > 0.1


def test_a_word_that_is_missing_is_named_as_missing():
    frame, rich = one_word()
    model = fitted(frame, salary(frame), ["trees"])
    row = int(np.flatnonzero(~rich)[0])
    cohort = model.cohorts[int(model.probabilities(frame.iloc[[row]])[0].argmax())]
    (feature, points), *_ = explain(model, frame.iloc[[row]], cohort).reasons
    assert (feature.kind, feature.name) == ("absent", "архитектор")
    assert points > 0.1


def test_a_category_counts_as_one_feature(frame, model):
    found = explain(model, frame.iloc[[0]], model.cohorts[0])
    named = [feature for feature, _ in found.reasons if feature.kind == "category"]
    assert [(feature.column, feature.name) for feature in named] == [("experience_id", frame["experience_id"].iloc[0])]


def test_survival_is_explained_in_days(frame):
    labels = demand_labels(frame, DemandTarget(), "lifetime")
    model = fitted(frame, labels, ["aft"], {"aft": ("aft", {**TREES, "components": 8})})
    (member,) = explain(model, frame.iloc[[4]], labels.cohorts[1]).members
    assert member.unit == "log days"
    assert member.gap < 1e-4
    assert member.base + sum(reason.contribution for reason in member.reasons) == pytest.approx(member.margin, abs=1e-4)
    assert member.reasons[0].points


def test_two_cohorts_share_one_decision(frame):
    two = frame[frame["salary_net"].isin([60_000, 110_000])].reset_index(drop=True)
    model = fitted(two, salary(two), ["logistic"])
    found = explain(model, two.iloc[[0]], model.cohorts[int(model.probabilities(two.iloc[[0]])[0].argmax())])
    assert len(model.members["logistic"].pipeline["model"].present_) == 2
    assert found.sums_hold
    assert found.reasons[0][1] > 0


def test_nothing_known_of_a_text_is_said(frame, model):
    empty = frame.iloc[[0]].assign(responsibility="", responsibility_lemmas="")
    found = explain(model, empty, model.cohorts[0])
    assert found.sums_hold
    assert not [feature for feature, _ in found.reasons if feature.kind == "word"]


def test_words_behind_components_sum_to_what_the_components_add(frame, model):
    pipeline, row = model.members["characters"].pipeline, frame.iloc[[2]]
    encoded = pipeline["encode"].transform(row)
    own = np.arange(5.0)
    found = word_values(pipeline["encode"], encoded, row, pipeline["model"].margins, own)
    assert sum(found.values()) == pytest.approx(own)
    assert {feature.name for feature in found if feature.kind == "word"} == {
        *row["responsibility_lemmas"].iloc[0].split()
    }
