"""Put an earlier version of a model back into service.

#### How

Start it by hand and say why. `champion` moves back to the version that served before, or to the one that `version`
names; the version that it replaces becomes `previous`, so that a second rollback takes the first one back.

#### What follows

Who, why and what are kept in `mart.promotion`, and the predictions that follow use the version. A training that is
repeated does not promote a version again that was rolled back: only a person does, with this DAG or with
`xflow promote`.
"""

from airflow.sdk import Param, dag, get_current_context, task

from xflow.pipeline import AnyPipeline
from xflow.promotion_runner import PromotionRunner
from xflow_airflow import (
    Json,
    champion_asset,
    dag_arguments,
    log,
    param,
    pipelines,
    promoted,
    runner,
)
from xflow_form import chosen_target, target_field, version_field
from xflow_lineage import declare


@task
def roll_back() -> list[Json]:
    """Put the version into service, and let predictions follow."""
    from xflow_alerts import tell

    run, context = runner(PromotionRunner), get_current_context()
    target = chosen_target(param("target"))
    who = context["dag_run"].triggering_user_name or "airflow"
    swaps = run.roll_back(param("reason"), who, param("version"), target)
    moved = [each for each in swaps if each["moved"]]
    if not moved:
        log.info("nothing was changed: %s", ", ".join(f"{each['name']} version {each['after']}" for each in swaps))
        return swaps
    for each in moved:
        log.info("%(name)s: version %(after)s serves in place of version %(before)s: %(reason)s", each)
    versions = {each["name"]: each["after"] for each in moved}
    context["outlet_events"][promoted(run.pipeline)].add(champion_asset(run.pipeline), versions)
    said = ", ".join(f"{each['name']} from version {each['before']} to {each['after']}" for each in moved)
    links = {name: f"models:/{name}/{version}" for name, version in versions.items()}
    tell(run.pipeline, "rollback", f"{who} rolled back {said}: {param('reason')}", links)
    return swaps


def form(pipeline: AnyPipeline) -> dict[str, Param]:
    """Return the fields of the trigger form."""
    fields = {
        "reason": Param(
            type="string",
            minLength=1,
            pattern=r"\S",
            title="Reason",
            description_md="Why; it is kept with the decision, in mart.promotion.",
        ),
        "version": version_field("the version that served before."),
    }
    return fields | target_field(pipeline)


def build(pipeline: AnyPipeline) -> None:
    """Make the DAG that rolls one pipeline's models back."""

    @dag(**dag_arguments(pipeline, "rollback", __doc__), schedule=None, params=form(pipeline))
    def rollback() -> None:
        roll_back.override(outlets=[promoted(pipeline)])()

    declare(rollback(), pipeline)


for each in pipelines():
    build(each)
