"""What can be checked of a generated project without installing it, in every combination and for hostile names."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.test_render import answers

from seedbed import creation

BIN = Path(sys.executable).parent
NAMES = {
    "short": "q",
    "long": "Very long project names of forty chars " * 2,
    "hostile": "A \"b\" \\ 'c' {{ d }} ${{ e }} ünï",
}
COMBINATIONS = list(
    itertools.product(
        ("penguins", "penguin-mass", "flight-delays"), ("github", "none"), ("fastapi", "none"), ("true", "false")
    )
)


def check(command, folder):
    result = subprocess.run([BIN / command[0], *command[1:]], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]


@pytest.mark.parametrize("combination", COMBINATIONS, ids="-".join)
def test_every_combination_is_clean(tmp_path, combination):
    example, ci, serving, monitoring = combination
    given = answers(example, choices__ci=ci, choices__serving=serving, choices__monitoring=monitoring)
    made = creation.create(given, tmp_path / "out")
    check(["ruff", "check", "--no-cache", "."], made.destination)
    check(["ruff", "format", "--no-cache", "--check", "."], made.destination)
    if ci == "github":
        workflows = sorted(map(str, (made.destination / ".github/workflows").glob("*.yml")))
        check(["zizmor", "--offline", "--no-progress", "--quiet", "."], made.destination)
        check(["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows], made.destination)
        check(["check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml"], made.destination)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("example", ["penguins", "penguin-mass"])
def test_a_name_of_any_length_and_content_is_clean(tmp_path, example, name):
    given = answers(example)
    given.values["project"] |= {"name": NAMES[name], "description": NAMES["hostile"]}
    made = creation.create(given, tmp_path / "out")
    check(["ruff", "check", "--no-cache", "."], made.destination)
    check(["ruff", "format", "--no-cache", "--check", "."], made.destination)
    check(["zizmor", "--offline", "--no-progress", "--quiet", "."], made.destination)


def test_every_action_is_pinned_by_its_commit(tmp_path):
    made = creation.create(answers(), tmp_path / "out")
    uses = [
        line.split("uses:")[1].strip()
        for path in (made.destination / ".github").rglob("*.yml")
        for line in path.read_text().splitlines()
        if "uses:" in line
    ]
    assert uses
    for use in uses:
        action, _, rest = use.partition("@")
        commit, _, version = rest.partition(" # ")
        assert len(commit) == 40, use
        assert int(commit, 16), use
        assert version.startswith("v"), action
