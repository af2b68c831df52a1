"""Which versions of a pipeline's models the prediction service shall answer with."""

from xflow.errors import ChampionMissing
from xflow.pipeline import AnyPipeline
from xflow.ports import ModelRegistry
from xflow.refs import Ref
from xflow.steps.rollback import meant_targets


class DeployOrder(Ref):
    """A version that shall come into service."""

    target: str
    name: str
    version: str


def chosen(
    pipeline: AnyPipeline, version: str | None, target: str | None, *, registry: ModelRegistry
) -> list[DeployOrder]:
    """Return one order a model: for the version that is named, or for the champion of the environment.

    A model without a champion is left out.

    Parameters
    ----------
    version
        Number of a version, as ``7``, or an alias, as ``@staging``; None: the champion.
    target
        Of a pipeline with several models the one that is meant; None: all of them.

    Raises
    ------
    ConfigInvalid
        The pipeline has no such target, or one number is meant for several models.
    ModelMissing
        There is no such version.
    ChampionMissing
        None of the models has a champion.
    """
    names = {each: pipeline.model_name(each) for each in meant_targets(pipeline, version, target)}
    found = {
        each: registry.version(name, version) if version else registry.champion(name) for each, name in names.items()
    }
    orders = [
        DeployOrder(target=each, name=names[each], version=ref.version)
        for each, ref in found.items()
        if ref is not None
    ]
    if not orders:
        raise ChampionMissing(f"{', '.join(names.values())}: no version serves yet. Train and promote one first.")
    return orders
