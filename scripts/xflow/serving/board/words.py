"""The words that speak most for each cohort, by the models in service."""

from xflow.domain.vacancies.model import CohortModel
from xflow.serving.board.view import Json, View

SPARE = 5
"""Times as many features are looked through: parts of words and counts are among them, and are not shown."""
WORDS = "_words"
CATEGORIES = "categories"


def words(view: View, name: str, count: int) -> Json:
    """Return the words and categories of the largest weights, the strongest first, by target and cohort.

    They are those of the linear member of the model; a model without one, and one that is not in service, has none.
    """
    pipeline = view.vacancy_pipeline(name)
    served = {each.version.name: each for each in view.models.all()}
    found = [(target, served.get(pipeline.model_name(target))) for target in pipeline.targets]
    made = []
    for target, each in found:
        if each is None or not isinstance(each.model, CohortModel):
            continue
        top = each.model.top_features(count * SPARE)
        cohorts = [{"cohort": cohort, "words": _readable(features)[:count]} for cohort, features in top.items()]
        made.append({"target": target, "model": each.version.name, "version": each.version.version, "cohorts": cohorts})
    return {"targets": made}


def _readable(features: list[tuple[str, float]]) -> list[Json]:
    """Return what a person can read, of those that speak for a cohort and not against it."""
    found = []
    for feature, weight in features:
        block, _, value = feature.partition("__")
        if weight > 0 and value and (block.endswith(WORDS) or block == CATEGORIES):
            kind = CATEGORIES if block == CATEGORIES else WORDS[1:]
            found.append({"word": value, "column": block.removesuffix(WORDS), "kind": kind, "weight": weight})
    return found
