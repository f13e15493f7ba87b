"""A generated project's own linters find nothing, whatever it is called and whatever its data looks like."""

import pytest
from tests.conftest import clean
from tests.unit.test_render import EXAMPLES, answers

from seedbed import creation

NAMES = {
    "short": "q",
    "long": "Very long project names of forty chars " * 2,
    "hostile": "A \"b\" \\ 'c' {{ d }} ${{ e }} ünï",
}


def check_all(folder):
    clean(["ruff", "check", "--no-cache", "."], folder)
    clean(["ruff", "format", "--no-cache", "--check", "."], folder)
    clean(["zizmor", "--offline", "--no-progress", "--quiet", "."], folder)


@pytest.mark.parametrize("example", sorted(path.parent.name for path in EXAMPLES.glob("*/seedbed.toml")))
def test_every_example_is_clean(tmp_path, example):
    check_all(creation.create(answers(example, choices__ci="both"), tmp_path / "out").destination)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("serving", ["fastapi", "flask"])
@pytest.mark.parametrize("tracking", ["true", "false"])
def test_a_name_of_any_length_and_content_is_clean(tmp_path, name, serving, tracking):
    given = answers("penguins", choices__ci="both", choices__serving=serving, choices__tracking=tracking)
    given.values["project"] |= {"name": NAMES[name], "description": NAMES["hostile"]}
    check_all(creation.create(given, tmp_path / "out").destination)
