"""How a run, or the run of a prediction, is named."""

import pytest

from xflow.errors import ConfigInvalid
from xflow.steps.audited import find_prediction, find_run, key_of, mark_of


class Ledger:
    """Runs, newest first."""

    def __init__(self, *keys):
        self.rows = [
            {"run_key": f"{p}/{k}/{r}", "pipeline": p, "kind": k, "run_id": r, "feature_set": None, "state": state}
            for p, k, r, state in ((*key, "success")[:4] for key in keys)
        ]

    def find(self, **wanted):
        return [row for row in self.rows if all(row[name] == value for name, value in wanted.items())]

    def runs(self, kind):
        return ((row["run_key"], row["pipeline"]) for row in self.rows if row["kind"] == kind)


LEDGER = Ledger(
    ("a", "predict", "3", "running"),
    ("a", "predict", "2"),
    ("a", "predict", "1"),
    ("a", "train", "1"),
    ("b", "train", "x"),
)


@pytest.mark.parametrize(
    ("named", "more", "found"),
    [
        ("a/predict/1", {}, "a/predict/1"),
        ("a/predict/latest", {}, "a/predict/2"),
        ("a/predict", {}, "a/predict/2"),
        ("a/predict/3", {}, "a/predict/3"),
        ("x", {}, "b/train/x"),
        ("1", {"pipeline": "a", "kind": "train"}, "a/train/1"),
    ],
)
def test_a_run_is_found_by_each_of_its_names(named, more, found):
    row = find_run(LEDGER, named, **more)
    assert row["run_key"] == found
    assert str(key_of(row)) == found


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("1", "2 runs have the id 1: name one of a/predict/1, a/train/1"),
        ("nobody", "the ledger knows no run nobody. The newest are: a/predict/3"),
        ("c/train/latest", "c/train: the ledger knows no run of it"),
    ],
)
def test_a_run_that_is_not_clear_is_refused(named, said):
    with pytest.raises(ConfigInvalid, match=said):
        find_run(LEDGER, named)


def test_a_prediction_names_its_run():
    assert find_prediction(LEDGER, f"{mark_of('a/predict/1')}-17")["run_key"] == "a/predict/1"
    with pytest.raises(ConfigInvalid, match="no run of the ledger gives ids that begin with 0123456789ab"):
        find_prediction(LEDGER, "0123456789ab-1")
