import numpy as np
import pytest
from grouped_texts import WORDS, crosses, vacancies
from hypothesis import given
from hypothesis import strategies as st

from xflow.domain.vacancies.holdout import draws, holdout
from xflow.domain.vacancies.splits import groups, identities
from xflow.errors import ContractViolated


def held_out(employers, texts, share, judged=None, traits=None):
    found = groups(employers, texts)
    known = identities([f"v{i}" for i in range(len(texts))], employers, texts)
    drawn = draws(found, known, np.array(employers, dtype=object) != "")
    judged = np.ones(len(texts), dtype=bool) if judged is None else judged
    return holdout(found, drawn, judged, np.zeros((len(texts), 0), dtype=bool) if traits is None else traits, share)


@given(vacancies(), st.floats(0.1, 0.6), st.data())
def test_no_employer_or_near_duplicate_crosses_the_holdout(rows, share, data):
    employers, texts = rows
    n = len(texts)
    judged = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=bool)
    traits = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), dtype=int)[:, None] == range(3)
    try:
        split = held_out(employers, texts, share, judged, traits)
    except ContractViolated:
        return
    assert not crosses(employers, texts, split.train, [*split.holdout, *split.unused])
    assert sorted([*split.train, *split.holdout, *split.unused]) == list(range(n))
    assert judged[split.holdout].all()


def skewed(rng, rows=6000, most=100):
    """Return employers of 1 to 100 vacancies, and what the large ones have more often: cohorts and filled fields."""
    sizes = []
    while sum(sizes) < rows:
        sizes.append(int(min(rng.pareto(1.1) + 1, most)))
    employer = np.repeat(np.arange(len(sizes)), sizes)
    large = np.repeat(np.log(sizes), sizes)
    own = rng.normal(size=len(sizes))[employer]  # vacancies of one employer are alike
    cohort = np.clip((0.4 * large + own + rng.normal(size=len(employer))).astype(int), 0, 3)
    filled = own + 0.5 * large + rng.normal(size=(3, len(employer))) > 1
    return [f"e{i}" for i in employer], cohort, filled.T


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [0.1, 0.2, 0.4])
def test_the_holdout_is_like_the_whole(seed, share):
    """Cohorts and fields within 4 points, rows an employer within a tenth, size within a twentieth."""
    employers, cohort, filled = skewed(np.random.default_rng(seed))
    n = len(employers)
    cohorts = cohort[:, None] == np.arange(4)
    traits = np.column_stack([cohorts, filled])
    split = held_out(employers, [""] * n, share, traits=traits)
    assert len(split.holdout) == pytest.approx(share * n, rel=0.05)
    assert len(split.train) > (1 - 2 * share) * n
    assert cohorts[split.holdout].mean(axis=0) == pytest.approx(cohorts.mean(axis=0), abs=0.04)
    assert filled[split.holdout].mean(axis=0) == pytest.approx(filled.mean(axis=0), abs=0.04)
    rows_of = len(split.holdout) / len({employers[i] for i in split.holdout})
    assert rows_of == pytest.approx(n / len(set(employers)), rel=0.1)


def test_what_is_learned_from_does_not_depend_on_cohorts_or_fields():
    employers, cohort, filled = skewed(np.random.default_rng(3))
    one = held_out(employers, [""] * len(employers), 0.2, traits=cohort[:, None] == np.arange(4))
    other = held_out(employers, [""] * len(employers), 0.2, traits=filled)
    assert one.train.tolist() == other.train.tolist()
    assert one.holdout.tolist() != other.holdout.tolist()


def test_an_employer_stays_on_its_side_while_vacancies_come_and_go():
    employers, cohort, _ = skewed(np.random.default_rng(5), 2000, most=40)
    rng = np.random.default_rng(6)
    n = len(employers)

    def learned(rows):
        names = [employers[i] for i in rows]
        split = held_out(names, [""] * len(rows), 0.2, traits=cohort[rows][:, None] == np.arange(4))
        return {names[i] for i in split.train}, {names[i] for i in (*split.holdout, *split.unused)}

    first, first_aside = learned(np.arange(n // 2))
    again, again_aside = learned(rng.permutation(n))
    gone, gone_aside = learned(np.sort(rng.choice(n, n // 2, replace=False)))
    assert not first & again_aside
    assert not first_aside & again
    assert not again & gone_aside
    assert not again_aside & gone


def test_the_order_of_the_rows_does_not_matter():
    employers, cohort, filled = skewed(np.random.default_rng(7), 600)
    traits = np.column_stack([cohort[:, None] == np.arange(4), filled])
    texts = [f"слово{i} дело{i} итог{i}" for i in range(len(employers))]
    split = held_out(employers, texts, 0.2, traits=traits)
    order = np.random.default_rng(8).permutation(len(employers))
    moved = held_out([employers[i] for i in order], [texts[i] for i in order], 0.2, traits=traits[order])
    assert sorted({employers[i] for i in split.holdout}) == sorted({employers[order[i]] for i in moved.holdout})


def test_employers_whom_a_text_joins_go_to_the_side_of_one_of_them():
    names, text = [f"e{i}" for i in range(60)], " ".join(WORDS)
    texts = [f"{i} {i + 1} {i + 2} свое" for i in range(60)]
    apart = held_out(names, texts, 0.3)
    for one, other in zip(range(30), range(30, 60)):
        joined = held_out([*names, names[one], names[other]], [*texts, text, text], 0.3)
        together = {one, other, 60, 61}
        assert together <= {*joined.train.tolist()} or not together & {*joined.train.tolist()}
        sides = {each in apart.train for each in (one, other)}
        assert (one in joined.train) in sides
        others = {*range(60)} - together
        assert others & {*joined.train.tolist()} == others & {*apart.train.tolist()}


def test_large_groups_of_several_employers_are_set_aside_as_often_as_others():
    sizes = [1, 8] * 2000
    employers = [f"e{i}" for i in range(sum(sizes))]
    group = np.repeat(np.arange(len(sizes)), sizes)
    known = identities(employers, employers, [""] * len(employers))
    drawn = draws(group, known, np.ones(len(employers), dtype=bool))
    first = np.unique(group, return_index=True)[1]
    for size in (1, 8):
        of_size = drawn[first][np.array(sizes) == size]
        assert np.quantile(of_size, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.03)


def test_an_anonymous_vacancy_does_not_move_the_employer_that_its_text_joins():
    text = " ".join(WORDS)
    for number in range(20):
        alone = draws(np.array([0]), identities(["v"], [f"e{number}"], [text]), np.array([True]))
        known = identities(["v", f"w{number}"], [f"e{number}", ""], [text, text])
        assert (draws(np.array([0, 0]), known, np.array([True, False])) == alone[0]).all()


def test_an_employer_larger_than_half_of_the_holdout_is_learned_from():
    for name in ("a", "b", "c", "d", "e", "f"):
        employers = [name] * 40 + [f"{name}{i}" for i in range(60)]
        split = held_out(employers, [""] * 100, 0.2)
        assert {*range(40)} <= {*split.train.tolist()}
        assert len(split.holdout) >= 10


def test_a_few_employers_can_be_split():
    for count in (2, 3, 5):
        split = held_out([f"e{i}" for i in range(count)], [""] * count, 0.2)
        assert len(split.holdout) >= 1


@pytest.mark.parametrize("count", [0, 1, 6])
def test_a_single_employer_cannot_be_split(count):
    with pytest.raises(ContractViolated, match="more employers"):
        held_out(["e"] * count, [""] * count, 0.3)
