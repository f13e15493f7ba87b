"""What can be checked of each combination of choices without installing it."""

import shutil
from pathlib import Path

import pytest
from tests.conftest import clean
from tests.matrix import combinations
from tests.unit.test_render import parses


def test_all_were_rendered(rendered, checked):
    values = combinations.axes().values()
    expected = 1
    for each in values:
        expected *= len(each)
    assert rendered.count == expected > 0
    checked(f"{rendered.count} projects, {len(rendered.files)} distinct files")


def test_every_file_parses(rendered, checked):
    # Those in TOML were parsed when they were rendered.
    count = sum(parses(Path(place)) for place in rendered.distinct("*") if not place.endswith((".toml", ".md")))
    assert count > len(rendered.kept)
    checked(f"{count} distinct files")


def test_what_is_not_chosen_leaves_no_trace(rendered):
    assert sorted(set(rendered.traces)) == []
    assert rendered.empty_folders == []


def test_every_link_and_verb_leads_somewhere(rendered):
    assert sorted(set(rendered.dead_links)) == []


@pytest.mark.parametrize("command", [["ruff", "check", "--no-cache"], ["ruff", "format", "--no-cache", "--check"]],
                         ids=["ruff-check", "ruff-format"])  # fmt: skip
def test_ruff(rendered, command, checked):
    clean([*command, "."], rendered.root)
    checked(f"{len(rendered.kept)} projects that hold every distinct file")


def test_actionlint(rendered, actionlint, checked):
    """With shellcheck where it is installed."""
    files = rendered.distinct(".github/workflows/*.yml")
    clean([actionlint, "-shellcheck", shutil.which("shellcheck") or "", *files], rendered.root)
    checked(f"{len(files)} distinct files")


def test_zizmor(rendered, checked):
    files = [*rendered.distinct(".github/workflows/*.yml"), *rendered.distinct(".github/dependabot.yml")]
    clean(["zizmor", "--offline", "--no-progress", "--quiet", *files], rendered.root)
    checked(f"{len(files)} distinct files")


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("vendor.github-workflows", ".github/workflows/*.yml"),
        ("vendor.dependabot", ".github/dependabot.yml"),
        ("vendor.gitlab-ci", ".gitlab-ci.yml"),
        ("vendor.gitlab-ci", ".gitlab/ci/*.yml"),
        ("vendor.renovate", "renovate.json"),
    ],
)
def test_schema(rendered, schema, pattern, checked):
    files = rendered.distinct(pattern)
    transform = ["--data-transform", "gitlab-ci"] if schema == "vendor.gitlab-ci" else []
    clean(["check-jsonschema", "--builtin-schema", schema, *transform, *files], rendered.root)
    checked(f"{len(files)} distinct files")


def dockerfiles(rendered):
    found = {*rendered.distinct("Dockerfile"), *rendered.distinct("*.Dockerfile")}
    assert found
    return sorted(found)


def test_hadolint(rendered, checked):
    clean(["hadolint", "--no-color", *dockerfiles(rendered)], rendered.root)
    checked(f"{len(dockerfiles(rendered))} distinct files")


def test_every_action_is_pinned_by_its_commit(rendered):
    uses = {
        line.split("uses:")[1].strip()
        for path in rendered.distinct(".github/workflows/*.yml")
        for line in Path(path).read_text().splitlines()
        if "uses:" in line and "uses: ./" not in line
    }
    assert uses
    for use in uses:
        action, _, rest = use.partition("@")
        commit, _, version = rest.partition(" # ")
        assert len(commit) == 40, use
        assert int(commit, 16), use
        assert version.startswith("v"), action


def test_every_image_is_pinned_by_its_digest(rendered):
    froms = [
        line.split()
        for path in dockerfiles(rendered)
        for line in Path(path).read_text().splitlines()
        if line.startswith("FROM ")
    ]
    images = {words[1] for words in froms} - {words[3] for words in froms if words[2:3] == ["AS"]}
    assert images
    assert [image for image in images if "@sha256:" not in image] == []
