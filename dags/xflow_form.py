"""Fields of trigger forms that name a version, and one model of several."""

from airflow.sdk import Param

from xflow.pipeline import AnyPipeline

ALL = "all"


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
    return {"target": Param(ALL, enum=[ALL, *pipeline.targets], title="Target", description_md="Which model.")}


def chosen_target(given: str | None) -> str | None:
    """Return the target that a form names; None: all of them."""
    return None if given in (None, ALL) else given
