"""What the linters of CI files say about the generated ones: nothing."""

import shutil
import subprocess

import pytest
from tests.conftest import clean
from tests.unit.test_ci_files import REGISTRIES
from tests.unit.test_render import answers

from seedbed import creation

NAMES = {"short": "q", "long": "Very long project names of forty chars " * 2}


@pytest.fixture(
    scope="module",
    params=[
        *({"project__registry": registry} for registry in REGISTRIES),
        *({"project__name": name} for name in NAMES.values()),
        {"choices__serving": "none", "choices__monitoring": "false", "choices__tracking": "false"},
    ],
    ids=[*(f"registry {registry.partition('/')[0] or 'of the host'}" for registry in REGISTRIES), *NAMES, "least"],
)
def root(request, tmp_path_factory):
    made = creation.create(answers(choices__ci="both", **request.param), tmp_path_factory.mktemp("ci") / "out")
    # actionlint finds the project by its repository.
    subprocess.run(["git", "init", "--quiet"], cwd=made.destination, check=True)
    return made.destination


def test_actionlint(root, actionlint):
    clean([actionlint, "-shellcheck", shutil.which("shellcheck") or ""], root)


def test_zizmor_in_its_pedantic_mood(root):
    clean(["zizmor", "--offline", "--no-progress", "--quiet", "--pedantic", "."], root)


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("github-workflows", ".github/workflows/*.yml"),
        ("dependabot", ".github/dependabot.yml"),
        ("gitlab-ci", ".gitlab-ci.yml"),
        ("gitlab-ci", ".gitlab/ci/*.yml"),
        ("renovate", "renovate.json"),
    ],
)
def test_schema(root, schema, pattern):
    files = sorted(root.glob(pattern))
    assert files
    transform = ["--data-transform", "gitlab-ci"] if schema == "gitlab-ci" else []
    clean(["check-jsonschema", "--builtin-schema", f"vendor.{schema}", *transform, *files], root)


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not on PATH")
def test_shellcheck_of_what_gitlab_runs(root, tmp_path):
    from tests import ci_model

    for jobs in ci_model.gitlab(root).values():
        for job, content in jobs.items():
            script = tmp_path / f"{job}.sh"
            script.write_text("#!/usr/bin/env bash\n" + "\n".join(ci_model.gitlab_commands(content)) + "\n")
            clean(["shellcheck", script], tmp_path)
