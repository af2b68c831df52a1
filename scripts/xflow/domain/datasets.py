"""Names of what a task reads and writes: the same in every environment, and as OpenLineage's naming rules have them.

Rules: https://openlineage.io/docs/spec/naming. They name PostgreSQL and S3; Tarantool and MLflow follow their pattern,
``scheme://host:port`` and a path.
"""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from xflow.domain.object_names import parse_location
from xflow.errors import ConfigInvalid

Store = Literal["s3", "mart", "features", "models"]


@dataclass(frozen=True, slots=True)
class Data:
    """Something that a task reads or writes.

    Attributes
    ----------
    store
        Where it is.
    name
        An object, or a prefix ending in ``/``, as a key or an ``s3://`` URI; a table of the schema ``mart``; the job
        whose feature sets are meant, as ``tourism_monthly/train``; a registered model.
    unless
        Parameter of the run that names something else in its place.
    """

    store: Store
    name: str
    unless: str = ""


@dataclass(frozen=True, slots=True)
class Places:
    """Addresses of the stores; credentials in them are never part of a name."""

    bucket: str
    mart: str
    features: str
    models: str

    def identity(self, data: Data) -> tuple[str, str]:
        """Return the namespace and the name by which OpenLineage knows it."""
        if data.store == "s3":
            bucket, key = self._object(data.name)
            return f"s3://{bucket}", key
        if data.store == "mart":
            database = urlsplit(self.mart).path.strip("/")
            return f"postgres://{_server(self.mart, 5432)}", f"{database}.mart.{data.name}"
        if data.store == "features":
            return f"tarantool://{_server(self.features, 3301)}", f"feature_set/{data.name}"
        return f"mlflow://{_server(self.models, 5000)}", f"models/{data.name}"

    def _object(self, name: str) -> tuple[str, str]:
        try:
            return parse_location(name.strip(), self.bucket)
        except ConfigInvalid:  # the run fails by it; what it asked for is told as it stands
            return self.bucket, name


def _server(address: str, usual: int) -> str:
    parts = urlsplit(address)
    return f"{parts.hostname}:{parts.port or usual}"
