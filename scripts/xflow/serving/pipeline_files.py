"""The pipelines' files, read again while the service runs: a version may have been trained for what they say now."""

import logging

from xflow.errors import ConfigInvalid
from xflow.pipeline import AnyPipeline, load
from xflow.settings import pipelines_folder

log = logging.getLogger("xflow.serving")


def read_again(pipelines: dict[str, AnyPipeline]) -> None:
    """Bring pipelines, by name, up to date with their files; what a wrong file said before counts on."""
    for path in sorted(pipelines_folder().glob("*.yaml")):
        try:
            pipelines[path.stem] = load(path)
        except (ConfigInvalid, OSError) as error:  # a folder of that name, or a file that may not be read
            log.warning("%s counts as it was read before, if it was: %s", path.stem, error)
