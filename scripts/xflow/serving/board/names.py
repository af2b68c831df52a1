"""What the ids of professional roles and areas are called, by the vacancies that the mart holds."""

from dataclasses import dataclass

from xflow.adapters.board_reader import Reading
from xflow.pipeline import AnyPipeline, Pipeline
from xflow.serving.board.view import predicts

# A training reads every vacancy that is known.
NAMES = """
SELECT 'role' AS kind, professional_role_id AS id, max(professional_role) AS name
FROM mart.${pipeline}_input WHERE run_key = ANY(%(runs)s) AND professional_role_id <> '' GROUP BY professional_role_id
UNION ALL
SELECT 'area', area_id, max(area_name)
FROM mart.${pipeline}_input WHERE run_key = ANY(%(runs)s) AND area_id <> '' GROUP BY area_id
"""
TRAINING = """
SELECT run_key FROM mart.run
WHERE pipeline = %(pipeline)s AND kind = 'train' AND state IN ('success', 'partly')
ORDER BY started_at DESC, run_key DESC LIMIT 1
"""
PREDICTIONS = 10
"""Newest ones whose vacancies a training has perhaps not read yet."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names by id; an id that nobody named is absent."""

    roles: dict[str, str]
    areas: dict[str, str]

    def role(self, number: str) -> str:
        """Return what a role is called, its id when nobody knows."""
        return self.roles.get(number) or number

    def area(self, number: str) -> str:
        """Return what an area is called, its id when nobody knows."""
        return self.areas.get(number) or number


def names_of(reading: Reading, pipeline: AnyPipeline) -> Names:
    """Return the names of the newest training's and the newest predictions' vacancies; none of series."""
    if isinstance(pipeline, Pipeline) or not reading.has("run", f"{pipeline.name}_input"):
        return Names({}, {})
    trained = reading.rows(TRAINING, {"pipeline": pipeline.name})
    runs = [row["run_key"] for row in (*trained, *predicts(reading, pipeline.name, PREDICTIONS))]
    found = reading.rows(NAMES, {"runs": runs}, pipeline=pipeline.name)
    named = {kind: {row["id"]: row["name"] for row in found if row["kind"] == kind and row["name"]} for kind in KINDS}
    return Names(named["role"], named["area"])


KINDS = ("role", "area")
