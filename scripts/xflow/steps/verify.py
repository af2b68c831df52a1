"""Verify one run: count and hash again what it left in S3, Greenplum, Tarantool and MLflow."""

from collections.abc import Iterator

from xflow.domain.audit import Audit, Check, State
from xflow.steps.audited import ENDED, IN_PROGRESS, Audited
from xflow.steps.chain import Chain, chain
from xflow.steps.kinds import Progress
from xflow.steps.verify_collect import verify_collect
from xflow.steps.verify_input import GREENPLUM, input_again, verify_input
from xflow.steps.verify_models import (
    KEPT_SETS,
    told_by_manifest,
    told_by_plans,
    verify_features,
    verify_figures,
    verify_models,
    verify_published,
)
from xflow.steps.verify_output import verify_output

LEDGER = "ledger"
SECTIONS = 5


def verify(
    audited: Audited, prediction_id: str = "", *, kept_sets: int = KEPT_SETS, progress: Progress | None = None
) -> Audit:
    """Check everything that a run left, and follow one of its predictions back to the training's input.

    Rows are streamed; memory follows the batch. Nothing is written.

    Parameters
    ----------
    prediction_id
        The prediction to follow; the run's first when empty.
    kept_sets
        How many feature sets of a job a purge leaves: one that is gone though fewer came after it is a fault.
    progress
        Called with the sections done and of all.
    """
    state, run_key = str(audited.run["state"]), str(audited.key)
    first = _ledger(audited, state)
    if first.state is not State.OK:
        return Audit(run_key, state, (first,))
    checks, found = [first], None
    for done, part in enumerate(_sections(audited, prediction_id, kept_sets), start=1):
        if isinstance(part, Chain):
            found = part
            checks += part.checks
        else:
            checks += part
        if progress:
            progress(done, SECTIONS)
    if progress:
        progress(SECTIONS, SECTIONS)
    if found is None:
        return Audit(run_key, state, tuple(checks))
    return Audit(run_key, state, tuple(checks), found.prediction["prediction_id"], found.links)


def _sections(audited: Audited, prediction_id: str, kept_sets: int) -> Iterator[list[Check] | Chain]:
    kind = audited.key.kind
    if kind == "collect":
        yield verify_collect(audited)
        return
    if kind not in ("train", "predict"):
        yield [
            Check(GREENPLUM, "rows", State.OPEN, f"a run of kind {kind} leaves no rows, objects or features to count")
        ]
        return
    with input_again(audited) as again:
        yield verify_input(audited, again)
    if kind == "predict":
        yield verify_output(audited)
    told = told_by_plans(audited) if kind == "train" else told_by_manifest(audited)
    yield [*verify_features(audited, told, kept_sets), *(verify_published(audited) if kind == "predict" else [])]
    yield [*verify_models(audited), *([verify_figures(audited)] if kind == "train" else [])]
    if kind == "predict" and (found := chain(audited, prediction_id)) is not None:
        yield found


def _ledger(audited: Audited, state: str) -> Check:
    run = audited.run
    if state in ENDED:
        return Check(GREENPLUM, LEDGER, State.OK, f"{state} at {run['updated_at']:%Y-%m-%d %H:%M:%S}")
    if state == IN_PROGRESS:
        said = f"still in progress since {run['started_at']:%Y-%m-%d %H:%M:%S}: verify it when it has ended"
        return Check(GREENPLUM, LEDGER, State.FAULT, said)
    why = f"{state} at {run['updated_at']:%Y-%m-%d %H:%M:%S}: {run['message']}".rstrip(".")
    return Check(GREENPLUM, LEDGER, State.FAULT, f"the run {why}. What it left is not complete and was not counted.")
