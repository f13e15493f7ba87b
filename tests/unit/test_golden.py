"""The whole expected tree of a generated project, as names and hashes.

After an intended change: `make golden`, and look at the difference before committing it.
"""

import os
from pathlib import Path

import pytest
from tests.unit.test_render import answers, tree

from seedbed import creation

GOLDEN = Path(__file__).parent / "golden"
CASES = {
    "flight-delays": answers("flight-delays"),
    "penguins-minimal": answers("penguins", choices__ci="none", choices__serving="none", choices__monitoring="false"),
    "penguin-mass": answers("penguin-mass"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_tree_is_the_expected_one(tmp_path, name):
    creation.create(CASES[name], tmp_path / "out")
    actual = "".join(f"{digest[:16]}  {path}\n" for path, digest in sorted(tree(tmp_path / "out").items()))
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(actual, encoding="utf-8")
    assert actual == golden.read_text(encoding="utf-8"), "after an intended change: make golden"
