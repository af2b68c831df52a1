"""From a delivered vacancy back to the response of the API that told of it."""

import re
from collections.abc import Iterator

from xflow.domain.audit import Link
from xflow.domain.vacancies import raw
from xflow.errors import InputChanged, InputMissing, InputUnreadable
from xflow.refs import ObjectRef
from xflow.steps.audited import Audited
from xflow.steps.snapshots import read_part
from xflow.steps.verify_collect import read_snapshot_manifest

DELIVERY = re.compile(r"/(?P<stamp>\d{8}T\d{6})-(?P<snapshot>[^/]*)\.parquet$")


def raw_links(audited: Audited, vacancy: str, uri: str) -> Iterator[Link]:
    """Yield the delivery that an input object was, and the newest raw response about a vacancy up to then.

    Objects that no collection delivered give nothing.
    """
    delivery = DELIVERY.search(uri)
    pipeline = audited.key.pipeline
    if delivery is None or not audited.lineage.knows_snapshot(pipeline, delivery["snapshot"]):
        return
    yield Link("delivery", uri, {"of_snapshot": delivery["snapshot"], "made": delivery["stamp"]})
    for sighting in audited.lineage.sightings(pipeline, vacancy):
        if f"{sighting['taken_at']:%Y%m%dT%H%M%S}" > delivery["stamp"]:
            continue
        facts = {"snapshot": str(sighting["snapshot_id"]), "taken_at": sighting["taken_at"].isoformat()}
        found = _response(audited, str(sighting["uri"]), vacancy, detail=bool(sighting["detail"]))
        if found is not None:
            part, at, url = found
            yield Link("raw response", part.uri, {**facts, "sha256": part.sha256, "row": str(at), "url": url})
            return


def _response(audited: Audited, prefix: str, vacancy: str, *, detail: bool) -> tuple[ObjectRef, int, str] | None:
    """Return the part, the row in it and the URL of a response about a vacancy; its parts are read one by one."""
    manifest = read_snapshot_manifest(audited.store, prefix)
    kind = "detail" if detail else "search"
    for part in (ObjectRef.model_validate(each) for each in (manifest or {"parts": ()})["parts"]):
        if not part.uri.rpartition("/")[2].startswith(kind):
            continue
        try:
            rows = read_part(audited.store, part)
        except (InputMissing, InputChanged, InputUnreadable):
            continue
        for at, row in enumerate(rows):
            if raw.detail_id(row.url) == vacancy if detail else _lists(row.body, vacancy):
                return part, at, row.url
    return None


def _lists(body: str | None, vacancy: str) -> bool:
    """Say whether a page of a search lists a vacancy; the text is parsed where its id stands in it at all."""
    if vacancy not in (body or ""):
        return False
    try:
        return vacancy in map(raw.vacancy_id, raw.search_items(body))
    except ValueError:
        return False
