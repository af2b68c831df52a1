"""Make what the pipelines need in the stores before their first run: the mart's tables. The bucket must be there.

``python -m xflow.prepare`` runs it with the variables of `xflow.settings`; running it again changes nothing.
"""

import logging

from xflow.pipeline import load
from xflow.refs import RunKey
from xflow.runner import Runner
from xflow.settings import Settings, pipelines_folder
from xflow.steps.kinds import input_kind

log = logging.getLogger("xflow")


def main() -> None:
    """Create each pipeline's tables, and look at the bucket.

    Raises
    ------
    ConfigInvalid
        A pipeline's file is wrong, a table stands with other columns, or the bucket is not there.
    ServiceUnavailable
        A store does not answer.
    """
    settings = Settings.from_env()
    for path in sorted(pipelines_folder().glob("*.yaml")):
        pipeline = load(path)
        runner = Runner(settings, pipeline, RunKey(pipeline=pipeline.name, kind="train", run_id="prepare"))
        runner.mart.prepare(pipeline.name, input_kind(pipeline).tables)
        runner.store.manifests(f"predictions/{pipeline.name}/")  # a listing names a bucket that is not there
        log.info("the mart has the tables of %s", pipeline.name)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
