"""What a person reads on MLflow's pages: names of runs, and descriptions of what is there."""

import re
from collections.abc import Mapping

from xflow.refs import RunKey

NOTE = "mlflow.note.content"  # what MLflow shows as the description
EXPERIMENT = (
    "The pipeline {name}: a run for each training and target with a child run for each candidate; predictions "
    "with their drift report, and monitoring."
)
MODEL = """Every training makes a version of `{name}`. Its description says what it is and how good, its alias what
became of it, and `mart.promotion` why.

- `champion` makes the predictions
- `previous` did before it: a rollback goes there
- `challenger` was judged last
- `staging` won last, and serves where XFLOW_ENV is staging
"""
CANDIDATE = (
    "A candidate, tuned and scored by the folds before the holdout. `backtest_...` is its error over all folds, "
    "`fold_...` that of each (a step is a fold); `tried` counts the settings that were tried, and the parameters are "
    "the best of them."
)
RUNS = {
    "train": "No model has been registered yet from this run: it is going on, or it failed, as where no candidate "
    "beats the floor. The child runs are the candidates.",
    "predict": "The drift gate of a prediction: the input, and what the champions predict from it, beside what they "
    "learned from. The tag `drift` is the verdict, `drift_level` the same as a number (0 ok, 1 warn, 2 stop); the "
    "report is among the artifacts, as `drift.html`, or one a target.",
    "monitor": "What became of the predictions: `realised_...` are the figures of those whose outcome is known by "
    "the tag `as_of`, all together; `figures/realised.png` among the artifacts shows them over time.",
}
"""Description of a new run, by its kind; a training gets its model's when that is registered."""
TIME = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d):?(\d\d)")


def title(key: RunKey, target: str) -> str:
    """Return a run's name: kind, target, and the time and origin that the run id tells, as far as it does.

    The name need not be unique: runs are found by their tag.
    """
    parts = [key.kind, target]
    if when := TIME.search(key.run_id):
        year, month, day, hour, minute = when.groups()
        parts += [f"{year}-{month}-{day} {hour}:{minute}", key.run_id[: when.start()].strip("_-").replace("_", " ")]
    else:
        parts.append(key.slug)
    return " ".join(part for part in parts if part)


def source(key: RunKey, tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags by which MLflow shows what made a run, and from which commit."""
    made = {"mlflow.source.name": f"xflow {key.kind} {key.pipeline}", "mlflow.source.type": "JOB"}
    commit = tags.get("git_commit")
    return made | ({"mlflow.source.git.commit": commit} if commit else {})
