"""Fields that several trigger forms have: input and time, a version, one model of several."""

from typing import Literal

from airflow.sdk import Param

from xflow.pipeline import MOST_STEPS, AnyPipeline, Pipeline

ALL = "all"
UNITS = {"min": "minute", "h": "hour", "D": "day", "W": "week", "M": "month", "Q": "quarter", "Y": "year"}


def params(pipeline: AnyPipeline, kind: Literal["train", "predict"]) -> dict[str, Param]:
    """Return the fields of the trigger form that train and predict have."""
    usual = getattr(pipeline.input, kind)
    shared = {
        "input_uri": Param(
            None,
            type=["null", "string"],
            pattern=r"^s3://[^/\s]+/\S+$",
            title="Input URI",
            description_md="s3:// URI of a parquet object, or of a prefix with / at its end. "
            f"Empty: {usual} in the bucket.",
        ),
        "as_of": as_of_param("Newest timestamp that may be used. Empty: the newest of the input."),
    }
    return shared | ({"horizon": _horizon(pipeline)} if isinstance(pipeline, Pipeline) else {})


def as_of_param(meaning: str) -> Param:
    """Return the field of the trigger form for a time."""
    return Param(
        None,
        type=["null", "string"],
        pattern=r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?$",
        title="As of",
        description_md=f"As 2026-10-31 or 2026-10-31T23:00:00. {meaning}",
    )


def _horizon(pipeline: Pipeline) -> Param:
    return Param(
        pipeline.model.horizon,
        type="integer",
        minimum=1,
        maximum=MOST_STEPS,
        title="Horizon",
        description_md=f"Steps to forecast. One step is {_step(pipeline.contract.frequency)}.",
    )


def _step(frequency: str) -> str:
    """Return ``1 month`` for ``M``, ``15 minutes`` for ``15min``."""
    count = "".join(filter(str.isdigit, frequency))
    unit = UNITS[frequency[len(count) :].partition("-")[0]]
    return f"{count} {unit}s" if count not in {"", "1"} else f"1 {unit}"


def version_field(empty: str) -> Param:
    """Return the field for a version; `empty` says what an empty one means."""
    return Param(
        None,
        type=["null", "string"],
        pattern=r"^(\d+|@[a-z_]+)$",
        title="Version",
        description_md=f"Number, as 7, or an alias, as @staging. Empty: {empty}",
    )


def target_field(pipeline: AnyPipeline) -> dict[str, Param]:
    """Return the field for the target; none for a pipeline with one model alone."""
    if pipeline.targets == ("",):
        return {}
    return {
        "target": Param(
            ALL, enum=[ALL, *pipeline.targets], title="Target", description_md="Which of the models; all: every one."
        )
    }


def chosen_target(given: str | None) -> str | None:
    """Return the target that a form names; None: all of them."""
    return None if given in (None, ALL) else given
