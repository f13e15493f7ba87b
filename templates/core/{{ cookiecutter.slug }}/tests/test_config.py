from dataclasses import replace

import pytest

from {{ cookiecutter.package }} import config
from {{ cookiecutter.package }}.errors import ConfigError

from support import ROOT


def test_the_project_s_own_parameters_are_valid():
    flat = config.load(ROOT / "params.yaml").flat()
    assert flat["model.kind"] in {"blend", "boosting", "linear"}
    assert 0 < flat["split.test_size"] < 1


def test_what_is_left_out_keeps_its_default():
    assert config.parse(None) == config.Params()
    assert config.parse({"model": {"max_iter": 3}}).model == config.ModelParams(max_iter=3)


def test_whole_numbers_may_come_as_floats_and_floats_as_whole_numbers():
    params = config.parse({"model": {"max_iter": 3.0, "l2_regularization": 1}})
    assert (params.model.max_iter, params.model.l2_regularization) == (3, 1.0)
    assert isinstance(params.model.max_iter, int)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "must hold names and values"),
        ({"modell": {}}, "no parameter modell"),
        ({"model": {"max_iterations": 3}}, "no parameter max_iterations"),
        ({"model": {"max_iter": "many"}}, "must be int"),
        ({"model": {"max_iter": True}}, "must be int"),
        ({"model": {"max_iter": 2.5}}, "must be int"),
        ({"model": {"kind": "magic"}}, "one of blend, boosting, linear"),
        ({"split": {"test_size": 1.0}}, "between 0 and 1"),
        ({"gate": {"tolerance": float("nan")}}, "from 0, below 1"),
        ({"cross_validation": {"folds": 1}}, "0, or from 2 to 20"),
        ({"cross_validation": {"max_rows": -1}}, "0 or more"),
    ],
)
def test_anything_else_is_refused_with_its_name(document, message):
    with pytest.raises(ConfigError, match=message):
        config.parse(document)


def test_a_missing_or_broken_file_says_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="root folder"):
        config.load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("model: [")
    with pytest.raises(ConfigError, match="isn't valid YAML"):
        config.load(tmp_path / "params.yaml")


COMMENTED = """\
# before
split: {seed: 3}
model: # of the model
  kind: blend # a choice
  max_iter: 200   # trees

gate:
  tolerance: 0.005 # how far
"""


def test_model_parameters_are_written_back_with_everything_around_them(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(COMMENTED)
    before = config.load(path)
    new = config.ModelParams(kind="boosting", max_iter=31, learning_rate=0.0123)
    assert config.update_model(new, path) == {
        "kind": ("blend", "boosting"),
        "max_iter": (200, 31),
        "learning_rate": (0.05, 0.0123),
    }
    assert config.load(path) == config.Params(split=before.split, model=new, gate=before.gate)
    text = path.read_text()
    for comment in ("# before", "# of the model", "# a choice", "# trees", "# how far"):
        assert f"{comment}\n" in text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "model:\n", "gate: {tolerance: 0.1}\n"])
def test_a_file_without_model_parameters_gets_them(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    before = config.load(path)
    config.update_model(config.ModelParams(max_iter=31), path)
    assert config.load(path) == config.Params(model=config.ModelParams(max_iter=31), gate=before.gate)


def test_the_project_s_own_file_keeps_its_comments(tmp_path):
    path = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    present = config.load(path).model
    assert config.update_model(present, path) == {}
    assert path.read_text(encoding="utf-8") == text
    config.update_model(replace(present, max_iter=present.max_iter + 1), path)
    changed = zip(text.splitlines(), path.read_text(encoding="utf-8").splitlines(), strict=True)
    assert [new.strip() for old, new in changed if old != new] == [f"max_iter: {present.max_iter + 1}"]
