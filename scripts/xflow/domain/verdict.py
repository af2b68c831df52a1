"""The judgement of every row of an input, whatever rules judged it."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

import numpy as np
import numpy.typing as npt


class ContractRule(IntEnum):
    """Base of the rules of a contract; their codes fit a byte, and 0 means accepted."""

    @property
    def label(self) -> str:
        """The rule's name in tables and messages."""
        return self.name.lower()

    @property
    def advice(self) -> str:
        """What to do about a row that breaks the rule."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of every row.

    Attributes
    ----------
    codes
        The code of a rule a row, uint8, in the order in which the rows were added; 0: accepted.
    rules
        What the codes mean.
    entities
        Number of series, or of vacancies, with an accepted row.
    oldest, newest
        The first and last time, without a zone, among the accepted rows, those far beyond the rest left out; None
        when there is none.
    noted
        The code of the first rule that an accepted row breaks all the same, uint8, in the order of the accepted rows;
        0: none. None: nothing is noted.
    notes
        What should be told of accepted rows.
    """

    codes: npt.NDArray[np.uint8]
    rules: type[ContractRule]
    entities: int
    oldest: datetime | None
    newest: datetime | None
    noted: npt.NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = ()

    @property
    def accepted(self) -> int:
        """Number of accepted rows."""
        return int(np.count_nonzero(self.codes == 0))

    @property
    def rejected(self) -> dict[str, int]:
        """Number of rejected rows by rule, for the rules that were broken."""
        return self._by_rule(self.codes)

    @property
    def accepted_without(self) -> dict[str, int]:
        """Number of accepted rows by the rule that they break all the same: that part of them gives no label."""
        return {} if self.noted is None else self._by_rule(self.noted)

    def _by_rule(self, codes: npt.NDArray[np.uint8]) -> dict[str, int]:
        counts = np.bincount(codes, minlength=max(self.rules) + 1)
        return {rule.label: int(counts[rule]) for rule in self.rules if rule and counts[rule]}
