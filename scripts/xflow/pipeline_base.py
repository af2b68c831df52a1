"""What the files of all kinds of pipelines share."""

from functools import cached_property

from pydantic import BaseModel, ConfigDict, field_validator

from xflow.columns import IDENTIFIER


class Section(BaseModel):
    """A part of a pipeline's file: frozen, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BasePipeline(Section):
    """Name, schedule and tags; the kinds add their input, contract and model."""

    pipeline: str
    description: str
    schedule: str | None = None
    tags: tuple[str, ...] = ()

    @field_validator("pipeline")
    @classmethod
    def _name(cls, name: str) -> str:
        if not IDENTIFIER.match(name) or len(name) > 40:
            raise ValueError("a pipeline's name is at most 40 lower-case letters, digits and _, as tourism_monthly")
        return name

    @cached_property
    def name(self) -> str:
        """The pipeline's name, also the prefix of its DAGs, tables and registered models."""
        return self.pipeline

    @property
    def targets(self) -> tuple[str, ...]:
        """What the pipeline's models predict, one registered model each; ``""`` when there is one alone."""
        return ("",)

    def model_name(self, target: str) -> str:
        """Return the name of the registered model of one target."""
        return f"{self.name}_{target}" if target else self.name
