"""The parameters of every kind of candidate: name, type, range and default, in one place.

A pipeline's file is checked against them while Airflow parses DAGs, which must stay light; the candidates are built
from them, and the tables of the guide are held against them. None leaves a choice to the model's package.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


def as_number(value: Any) -> Any:
    """Return a text that stands for a number as one; a boolean is none, though Python counts with it.

    Raises
    ------
    ValueError
        A boolean.
    """
    if isinstance(value, bool):
        raise ValueError("a number")  # noqa: TRY004  # pydantic reports this one
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


NUMBER = BeforeValidator(as_number)
Tree = Annotated[int, NUMBER, Field(ge=1, le=10_000, description="trees, one after the other")]
Depth = Annotated[int, NUMBER, Field(ge=1, le=20, description="levels of a tree at most")]
Rate = Annotated[float, NUMBER, Field(gt=0, le=1, description="share of each tree that is added")]
Child = Annotated[float, NUMBER, Field(ge=0, le=1e9, description="weight that a leaf must hold at least")]
Rows = Annotated[float, NUMBER, Field(gt=0, le=1, description="share of the rows that a tree sees")]
Features = Annotated[float, NUMBER, Field(gt=0, le=1, description="share of the features that a tree sees")]
Penalty = Annotated[float, NUMBER, Field(ge=0, le=1e9, description="L2 penalty of the leaves")]
Balance = Annotated[
    float, NUMBER, Field(ge=0, le=1, description="1 learns all cohorts alike, 0 each as often as it occurs")
]
Log = Annotated[bool, Field(description="model the logarithm of series whose values are all positive")]
Order = Annotated[int, NUMBER, Field(ge=0, le=20)] | None


@dataclass(frozen=True, slots=True)
class NaiveParams:
    """The value one season before: the floor."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT


@dataclass(frozen=True, slots=True)
class ThetaParams:
    """AutoTheta of statsforecast, through ETNA."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    model: Annotated[
        Literal["STM", "OTM", "DSTM", "DOTM"] | None,
        Field(description="form: standard or optimised, static or dynamic; none: the best of all"),
    ] = None
    decomposition_type: Annotated[
        Literal["multiplicative", "additive"], Field(description="how the season is taken out")
    ] = "multiplicative"
    log: Log = False


@dataclass(frozen=True, slots=True)
class EtsParams:
    """AutoETS of statsforecast, through ETNA.

    Raises
    ------
    ValueError
        The package has no model of this form.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    model: Annotated[
        str,
        Field(
            pattern=r"^[AMZ][NAMZ][NAMZ]$",
            description="three letters, of error, trend and season: A, M, N none, Z best; AAdA is AAA, damped: true",
        ),
    ] = "ZZZ"
    damped: Annotated[bool | None, Field(description="a trend that levels off; none: the better")] = None
    log: Log = False

    def __post_init__(self) -> None:
        """Refuse what the package would refuse at the first series."""
        error, trend, season = tuple(self.model)
        if (error == "A" and "M" in {trend, season}) or (trend == "M" and season == "A"):
            raise ValueError(
                f"model {self.model} does not exist: with an additive error (A) neither trend nor season can be "
                "multiplicative (M), nor a multiplicative trend have an additive season. Write MAM, MMM, or ZZZ for "
                "the best"
            )
        if self.damped and trend == "N":
            raise ValueError(f"damped: true wants a trend, and model {self.model} has none: write A in the middle")


@dataclass(frozen=True, slots=True)
class ArimaParams:
    """AutoARIMA of statsforecast, through ETNA. With a long season it takes minutes a series: ``seasonal: false``."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    seasonal: Annotated[bool, Field(description="false: no seasonal terms, many times faster")] = True
    d: Annotated[Order, Field(description="order of differencing; none: by test")] = None
    D: Annotated[Order, Field(description="order of seasonal differencing; none: by test")] = None
    max_p: Annotated[Order, Field(description="autoregressive terms at most")] = None
    max_q: Annotated[Order, Field(description="moving average terms at most")] = None
    max_P: Annotated[Order, Field(description="seasonal autoregressive terms at most")] = None  # noqa: N815  # the package's name
    max_Q: Annotated[Order, Field(description="seasonal moving average terms at most")] = None  # noqa: N815  # the package's name
    max_order: Annotated[Order, Field(description="terms of all kinds at most")] = None
    max_d: Annotated[Order, Field(description="differencing at most")] = None
    max_D: Annotated[Order, Field(description="seasonal differencing at most")] = None  # noqa: N815  # the package's name
    start_p: Annotated[Order, Field(description="where the search starts")] = None
    start_q: Annotated[Order, Field(description="where the search starts")] = None
    start_P: Annotated[Order, Field(description="where the search starts")] = None  # noqa: N815  # the package's name
    start_Q: Annotated[Order, Field(description="where the search starts")] = None  # noqa: N815  # the package's name
    stationary: Annotated[bool, Field(description="only models without differencing")] = False
    stepwise: Annotated[bool, Field(description="false: try all orders, slower")] = True
    approximation: Annotated[bool | None, Field(description="faster, less exact search; none: by length")] = None
    allowdrift: Annotated[bool, Field(description="allow a drift")] = True
    allowmean: Annotated[bool, Field(description="allow a mean")] = True
    ic: Annotated[Literal["aicc", "aic", "bic"], Field(description="criterion of the choice")] = "aicc"
    log: Log = False


@dataclass(frozen=True, slots=True)
class XGBParams:
    """One XGBoost over all series; the only kind that uses the columns under ``input.exogenous``.

    Raises
    ------
    ValueError
        A season is named twice.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    lags: Annotated[int, NUMBER, Field(ge=0, le=1_000, description="last values that are features")] = 12
    cycles: Annotated[int, NUMBER, Field(ge=0, le=100, description="past seasons whose shape is a feature")] = 6
    calendar: Annotated[bool, Field(description="month, weekday, hour and so on are features")] = True
    seasons: Annotated[
        Sequence[Annotated[int, NUMBER, Field(ge=1, le=100_000)]],
        Field(max_length=5, description="lengths in steps of further seasons, as [168], beside model.seasonality"),
    ] = ()
    trees: Tree = 300
    depth: Depth = 6
    learning_rate: Rate = 0.05
    min_child_weight: Child = 10.0
    subsample: Rows = 0.8
    colsample: Features = 0.5
    rows: Annotated[
        int, NUMBER, Field(ge=100, le=100_000_000, description="training rows at most, sampled with the seed")
    ] = 500_000
    recent: Annotated[
        int, NUMBER, Field(ge=0, le=10_000_000, description="learn from the last origins of each series, 0 for all")
    ] = 0
    bags: Annotated[int, NUMBER, Field(ge=1, le=100, description="models to average, each with its own seed")] = 1

    def __post_init__(self) -> None:
        """Refuse seasons that would give features of one name."""
        if len(set(self.seasons)) < len(self.seasons):
            raise ValueError(f"seasons {list(self.seasons)}: name each once")


@dataclass(frozen=True, slots=True)
class MajorityParams:
    """The cohorts' shares: the floor."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT


@dataclass(frozen=True, slots=True)
class EncodingParams:
    """How vacancies become numbers."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    words: Annotated[int, NUMBER, Field(ge=0, le=5, description="longest run of lemmas, 0 for none")] = 1
    chars: Annotated[
        int, NUMBER, Field(ge=0, le=10, description="longest run of characters inside words, from 2 on, 0 for none")
    ] = 5
    min_df: Annotated[int, NUMBER, Field(ge=1, le=1_000_000, description="vacancies in which a run must occur")] = 1
    components: Annotated[
        int, NUMBER, Field(ge=0, le=2_000, description="reduce words and characters by SVD to so many, 0 for not")
    ] = 0
    categories: Annotated[float, NUMBER, Field(ge=0, le=1_000, description="weight of the categories, 0 for none")] = (
        0.5
    )
    counts: Annotated[float, NUMBER, Field(ge=0, le=1_000, description="weight of the counts of each text")] = 0.0

    def __post_init__(self) -> None:
        """Refuse runs of no length."""
        if self.chars == 1:
            raise ValueError("chars 1: runs of characters are 2 long and longer; 0 is for none")


@dataclass(frozen=True, slots=True)
class LogisticParams(EncodingParams):
    """Multinomial logistic regression."""

    C: Annotated[float, NUMBER, Field(gt=0, le=1e9, description="inverse strength of the penalty")] = 0.1
    balance: Balance = 0.5


@dataclass(frozen=True, slots=True)
class BoostingParams(EncodingParams):
    """What all of XGBoost's losses share."""

    trees: Tree = 200
    depth: Depth = 3
    learning_rate: Rate = 0.05
    min_child_weight: Child = 3.0
    subsample: Rows = 0.7
    colsample: Features = 0.3
    reg_lambda: Penalty = 1.0


@dataclass(frozen=True, slots=True)
class TreesParams(BoostingParams):
    """XGBoost on the multinomial log loss."""

    balance: Balance = 0.5


@dataclass(frozen=True, slots=True)
class AftParams(BoostingParams):
    """XGBoost ``survival:aft`` on days; for the target ``demand`` alone."""

    trees: Tree = 100
    distribution: Annotated[
        Literal["normal", "logistic", "extreme"], Field(description="of the error of the log of days")
    ] = "normal"
    scale: Annotated[
        Annotated[float, NUMBER, Field(gt=0, le=100)] | None,
        Field(description="of that error; none: the likeliest"),
    ] = None


PARAMS: dict[str, type[Any]] = {
    "seasonal_naive": NaiveParams,
    "theta": ThetaParams,
    "ets": EtsParams,
    "arima": ArimaParams,
    "global_xgb": XGBParams,
    "majority": MajorityParams,
    "logistic": LogisticParams,
    "xgb": TreesParams,
    "aft": AftParams,
}
"""By the kinds that a candidate may name."""

USES_EXOGENOUS = frozenset({"global_xgb"})
"""Kinds that use the columns under ``input.exogenous``."""
