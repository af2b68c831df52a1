"""Run keys and references."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from xflow.refs import FeatureSetRef, RunKey


def key(run_id):
    return RunKey(pipeline="tourism_monthly", kind="train", run_id=run_id)


def test_plain_run_id_stays_as_it_is():
    assert str(key("cli-20260101T000000")) == "tourism_monthly/train/cli-20260101T000000"


@given(st.text(min_size=1, max_size=200))
def test_slug_is_safe_in_paths(run_id):
    slug = key(run_id).slug
    assert slug.strip(".")
    assert len(slug) <= 90
    assert all(c.isascii() and (c.isalnum() or c in "_.-") for c in slug)


@given(st.text(min_size=1, max_size=120), st.text(min_size=1, max_size=120))
def test_different_run_ids_have_different_slugs(one, other):
    assert (key(one).slug == key(other).slug) == (one == other)


def test_references_survive_json_and_refuse_unknown_fields():
    ref = FeatureSetRef(id="a", entities=2, rows=10, checksum="c")
    assert FeatureSetRef.model_validate_json(ref.model_dump_json()) == ref
    with pytest.raises(ValidationError):
        FeatureSetRef.model_validate({**ref.model_dump(), "frame": []})
