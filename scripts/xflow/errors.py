"""Every error that xFlow raises on purpose.

::

    XflowError
    ├── Retryable                 the same call may succeed later
    │   ├── ServiceUnavailable    a store or server did not answer
    │   ├── InputChanged          an input object was replaced while the run read it
    │   └── DiskFull              no space left for local copies
    └── Permanent                 the same call fails again until somebody acts
        ├── ConfigInvalid         a pipeline's YAML, a parameter or a setting is wrong
        ├── InputMissing          no such object, or an empty one
        ├── InputUnreadable       not parquet, or columns are absent or of the wrong type
        ├── ContractViolated      too large a share of the rows or series was rejected
        ├── FeatureSetMissing     a feature set is absent, not ready or damaged
        ├── ForecastNotFinite     a model forecast NaN or infinity
        ├── ModelFailed           a model's package failed on all series, or on the fit
        ├── DriftStop             the input or the predictions are too far from what the model learned from
        ├── DeadlineMissed        the predictions were not there when they had to be
        ├── FloorNotBeaten        no candidate beats the floor in the backtest
        ├── ModelMissing          no such model, version or run in the registry
        │   ├── ChampionMissing   no model carries the champion alias
        │   └── ModelDamaged      a version's files are gone, or cannot be loaded
        ├── ModelIncompatible     the champion cannot forecast this input
        ├── ModelRefused          a version did not pass what a service tests before it lets it answer
        ├── NotReproducible       what a model was made from is not known, or not there any more
        ├── Unexplainable         what a prediction was made with is gone
        └── AccessDenied          a store, or hh.ru's API, refused the credentials

The DAG layer fails a task without retry on `Permanent` and lets Airflow retry the rest.
"""


class XflowError(Exception):
    """Root of the errors raised on purpose."""


class Retryable(XflowError):
    """The same call may succeed later."""


class ServiceUnavailable(Retryable):
    """A store or server did not answer, or answered with a fault of its own."""


class InputChanged(Retryable):
    """An input object was replaced between two reads of one run."""


class DiskFull(Retryable):
    """No space is left on this machine for local copies of objects."""


class Permanent(XflowError):
    """The same call fails again until somebody changes the input or the configuration."""


class ConfigInvalid(Permanent):
    """A pipeline's YAML, a parameter or a setting is missing or wrong."""


class InputMissing(Permanent):
    """The input object does not exist or holds no rows."""


class InputUnreadable(Permanent):
    """The input object is not parquet, or lacks a column, or has one of a wrong type."""


class ContractViolated(Permanent):
    """More rows were rejected than the pipeline tolerates, or none are left."""


class FeatureSetMissing(Permanent):
    """The feature set is absent, not marked ready, or does not match its checksum."""


class ForecastNotFinite(Permanent):
    """A model forecast NaN or infinity."""


class ModelFailed(Permanent):
    """A model's package raised, or its forecasts cannot be meant, for all series that it was given."""


class DriftStop(Permanent):
    """The input or the predictions have drifted beyond the level at which the pipeline stops."""


class DeadlineMissed(Permanent):
    """No predictions were on S3 at the time of day by which the pipeline promises them."""


class FloorNotBeaten(Permanent):
    """No candidate beats the floor in the backtest."""


class ModelMissing(Permanent):
    """The registry knows no such model, version or run."""


class ChampionMissing(ModelMissing):
    """No registered model version carries the champion alias."""


class ModelDamaged(ModelMissing):
    """The registry has the version, but its files are gone, in part or whole, or cannot be loaded by this code."""


class ModelIncompatible(Permanent):
    """The champion was made for another frequency or other columns."""


class ModelRefused(Permanent):
    """A version cannot be loaded, gives other answers than when it was fitted, or takes too long for them."""


class NotReproducible(Permanent):
    """A model's manifest is absent or damaged, or an input object that it names has changed or gone."""


class Unexplainable(Permanent):
    """The model, or the features and the input behind them, that a prediction was made with are gone."""


class AccessDenied(Permanent):
    """A store, or hh.ru's API, refused the credentials or the right to do this."""
