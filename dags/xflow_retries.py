"""Which errors are tried again, and what a person reads of it: in the task's log, and beside a task that waits.

The first rule that fits decides. What no rule knows, such as a bug or a task that took too long, is tried again as
Airflow's defaults say.
"""

from datetime import timedelta

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from xflow import errors

FAILS: dict[type[errors.Permanent], str] = {
    errors.DriftStop: "the input or the predictions have drifted too far: read the report, then train again or "
    "change the levels of the pipeline's file",
    errors.DeadlineMissed: "the time by which the predictions were promised has passed: see why none were made",
    errors.ContractViolated: "the input breaks its contract: correct the input, then run again",
    errors.InputMissing: "there is no input: deliver it, then run again",
    errors.InputUnreadable: "the input cannot be read: deliver it again, then run again",
    errors.ConfigInvalid: "a setting, a parameter or the pipeline's file is wrong: correct it, then run again",
    errors.FloorNotBeaten: "no candidate is better than the floor: more or better data are needed",
    errors.ForecastNotFinite: "a model predicts no numbers: look at its input, then train again",
    errors.FeatureSetMissing: "the features are gone or damaged: run again from the first task",
    errors.ChampionMissing: "there is no champion: train first",
    errors.ModelDamaged: "the files of a model are gone or damaged: put another version into service, or train again",
    errors.ModelMissing: "the registry does not have the model: look into MLflow",
    errors.ModelIncompatible: "the champion was made for another configuration: train again",
    errors.ModelRefused: "the service refused the version, and the old one still answers: read why, then train again",
    errors.AccessDenied: "a store refused the credentials: correct the connection",
    errors.Permanent: "the same call would fail again: somebody has to act",
}
"""What fails at once, and why trying again cannot help."""

WAITS: dict[type[errors.Retryable], str] = {
    errors.ServiceUnavailable: "S3, Greenplum, Tarantool, MLflow or hh.ru did not answer: tried again, with longer "
    "and longer pauses",
    errors.InputChanged: "the input was replaced while it was read: tried again with the new one",
    errors.DiskFull: "no space is left for local copies: tried again when other tasks may have ended",
    errors.Retryable: "the same call may succeed later: tried again, with longer and longer pauses",
}
"""What is tried again, after the task's own delays."""

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        *(RetryRule(exception=each, action=RetryAction.FAIL, reason=reason) for each, reason in FAILS.items()),
        *(RetryRule(exception=each, action=RetryAction.RETRY, reason=reason) for each, reason in WAITS.items()),
    ]
)

RETRIES = {
    "retries": 3,
    "retry_delay": timedelta(seconds=15),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=5),
    "retry_policy": RETRY_POLICY,
}
"""Arguments of every task: pauses of at least 15, 30 and 60 s, each up to twice as long."""
