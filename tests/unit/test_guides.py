"""The guides: their links lead somewhere, and they name every table that the code makes."""

import html
import re
from dataclasses import fields

import pytest
import yaml

from xflow.candidate_check import describe, names_of
from xflow.candidate_params import PARAMS, EncodingParams
from xflow.pipeline import Pipeline, load
from xflow.pipeline_base import Section
from xflow.settings import REPOSITORY
from xflow.vacancy_pipeline import CohortSection, SalaryTarget

GUIDES = REPOSITORY / "research" / "guides"
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "research").rglob("*.md"))]
PAGES += sorted((REPOSITORY / "research" / "examples").glob("*.ipynb"))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|src(?:set)?=\"([^\"]+)\"")
MADE = re.compile(r"CREATE (?:OR REPLACE )?(?:TABLE|VIEW) (mart\.\S+)")


def anchors(text):
    """Return the anchors that a page's headings have on GitHub and GitLab."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page):
    text = page.read_text(encoding="utf-8")
    broken = []
    for found in (one or other for one, other in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL))):
        if found.startswith(("http://", "https://")):
            continue
        path, _, anchor = found.partition("#")
        target = (page.parent / path).resolve() if path else page
        exists = target.exists()
        if not exists or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(found)
    assert not broken


@pytest.mark.parametrize("page", sorted(GUIDES.glob("*.md")), ids=lambda page: page.stem)
def test_every_file_that_a_guide_names_is_there(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    named = re.findall(r"`((?:[\w.]+/)+[\w.]+\.(?:py|md|sql|lua|yaml|ipynb|sh))`", text)
    roots = (REPOSITORY, REPOSITORY / "scripts" / "xflow")
    absent = [name for name in named if not any((root / name).exists() for root in roots)]
    assert not [name for name in absent if "flu_weekly" not in name]  # the pipeline that the guide adds


def missing(section, document, path=""):
    """Yield the fields of a section that a document does not name."""
    for name, field in section.model_fields.items():
        if name not in document:
            yield path + name
        elif isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from missing(field.annotation, document[name], f"{path}{name}.")


def test_the_pipeline_files_of_the_guide_load_and_the_last_one_names_every_field(tmp_path):
    blocks = re.findall(r"^```yaml\n(.*?)^```", (GUIDES / "own_pipeline.md").read_text(), re.DOTALL | re.MULTILINE)
    names = []
    for block in blocks:
        path = tmp_path / f"{yaml.safe_load(block)['pipeline']}.yaml"
        path.write_text(block)
        names.append(load(path).name)
    assert names == ["flu_weekly", "shop_weekly", "jobs"]
    assert not list(missing(Pipeline, yaml.safe_load(blocks[1])))
    jobs = load(tmp_path / "jobs.yaml")
    salary = SalaryTarget(quantiles=4, not_stated="leave_out")
    default = CohortSection(candidates=jobs.model.candidates, salary=salary)
    assert jobs.model == default  # "all values are the default"
    assert not list(missing(CohortSection, yaml.safe_load(blocks[2])["model"] | {"metric": "", "device": ""}))


def test_the_picture_says_what_its_source_says():
    source = (GUIDES / "flow.dot").read_text(encoding="utf-8")
    picture = html.unescape((GUIDES / "flow.svg").read_text(encoding="utf-8"))
    labels = [line for label in re.findall(r'label="([^"]+)"', source) for line in re.split(r"\\[nl]", label) if line]
    shown = [line.replace("\xa0", " ") for line in re.findall(r"<text [^>]*>([^<]*)</text>", picture)]
    assert labels
    assert sorted(shown) == sorted(labels)


def test_the_mart_guide_has_a_section_for_every_table_and_view():
    documented = set(
        re.findall(r"^### `(mart\.[^`]+)`", (GUIDES / "mart.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    scripts = (path.read_text(encoding="utf-8") for path in (REPOSITORY / "scripts" / "xflow" / "sql").glob("*.sql"))
    made = {name.replace("${pipeline}", "<pipeline>") for script in scripts for name in MADE.findall(script)}
    assert documented == made | {"mart.<pipeline>_history"}  # its definition is made in Python


def rows_of(kind):
    """Return a row a parameter, as the guide has them."""
    declared = PARAMS[kind]
    for name in names_of(kind):
        default = next(field.default for field in fields(declared) if field.name == name)
        # 0 and 1 equal false and true, and are none
        written = str(default).lower() if isinstance(default, bool) else {None: "null", (): "[]"}.get(default, default)
        if name in {field.name for field in fields(EncodingParams)} and issubclass(declared, EncodingParams):
            continue  # the same for all cohort models
        yield f"| `{kind}` | `{name}` | {written} | {describe(declared, name)} |"


def test_the_guide_names_every_parameter_of_every_candidate():
    text = (REPOSITORY / "research/guides/own_pipeline.md").read_text()
    wanted = [row for kind in PARAMS for row in rows_of(kind)]
    wanted += [
        f"| all but `majority` | `{field.name}` | {field.default} | {describe(EncodingParams, field.name)} |"
        for field in fields(EncodingParams)
    ]
    assert [row for row in wanted if row not in text] == []
    listed = re.findall(r"^\| (?:all but )?`\w+` \| `\w+` \|.*", text, flags=re.MULTILINE)
    assert sorted(listed) == sorted(wanted)
