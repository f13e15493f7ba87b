"""Rendering: the same bytes for the same spec, files that parse for hostile answers, nothing outside the destination."""

import ast
import hashlib
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedbed import creation, layers, naming, render, resources
from seedbed import spec as specs
from seedbed.errors import SeedbedError, SpecError, TemplateError
from seedbed.spec_sources import Answers, gather

EXAMPLES = Path(__file__).parents[2] / "examples"
HOSTILE = [
    "../x",
    "/abs",
    "C:\\x",
    "{{ cycler.__init__.__globals__.os.system('touch pwned') }}",
    "{% for x in range(9) %}x{% endfor %}",
    "${{ github.event.issue.title }} $(touch pwned) `touch pwned`",
    '";touch pwned;#',
    "quotes ' \" ''' \"\"\" and \\ and % and : # - ? [ ] { }",
    "CON aux.txt. ",
    "-rf --trust",
    "ünïcödé 日本 name",
    "yes: no: null ~ 0x1F 1e3",
    "a" * 100,
]


def answers(example="penguins", **sets):
    return gather(
        spec_file=EXAMPLES / example / "seedbed.toml",
        sets=[f"{k.replace('__', '.')}={v}" for k, v in sets.items()],
        environ={},
    )


def tree(folder):
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


class Yaml(yaml.SafeLoader):
    """YAML with GitLab's one tag."""


Yaml.add_constructor("!reference", yaml.SafeLoader.construct_sequence)


def parse_everything(folder):
    """Every file of a format that we know must parse; returns how many did."""
    return sum(parses(path) for path in folder.rglob("*") if path.is_file())


def parses(path):
    """Whether it is of a format that we know; then it must parse."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        ast.parse(text, str(path))
    elif path.suffix == ".toml":
        tomllib.loads(text)
    elif path.suffix in {".yaml", ".yml"} or path.name == "dvc.lock":
        list(yaml.load_all(text, Yaml))
    elif path.suffix in {".json", ".ipynb"}:
        json.loads(text)
    else:
        return False
    return True


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_answers_are_data(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    given = answers()
    # A name needs a letter to give a slug; the description takes everything.
    given.values["project"] |= {"name": text if naming.slugify(text) else f"x {text}", "description": text}
    try:
        created = creation.create(given, Path("out"))
    except SpecError as error:
        assert "project.name" in error.message
        return
    assert parse_everything(tmp_path / "out") > 20
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert not list(tmp_path.rglob("pwned"))
    assert all(part not in {"", ".", ".."} for part in created.spec.slug.split("/"))
    written = tomllib.loads((tmp_path / "out" / "seedbed.toml").read_text(encoding="utf-8"))
    assert written["project"]["description"] == text


def test_the_project_s_branch_and_stores_are_those_that_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    aws = {"target": "aws", "account": "123456789012", "region": "eu-west-1"}
    given = answers(project__branch="trunk")
    given.values["environments"] = {"dev": {}, "prod": aws}
    root = creation.create(given, Path("out")).destination
    assert "git init --quiet --initial-branch trunk\n" in (root / "Makefile").read_text()
    urls = [line.split("= ")[1] for line in (root / ".dvc/config").read_text().splitlines() if "url =" in line]
    # As in infra/mlops_platform: on AWS, buckets bear the account's number.
    assert urls == ["s3://penguin-species-dev-data/dvc", "s3://penguin-species-prod-data-123456789012/dvc"]


def test_hostile_column_names_are_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    columns = ["a b", "a-b", "class", "1st", "quote\"s 'and' \\", "{{ 7*7 }}", "ünïcödé 日本", "$(id)", "id", "time"]
    (tmp_path / "data").mkdir()
    header = ",".join('"' + c.replace('"', '""') + '"' for c in [*columns, "target {{ 1 }}"])
    (tmp_path / "data" / "x.csv").write_text(
        header + "\n" + "".join(",".join([f"{n % 2}"] * 11) + "\n" for n in range(20)), encoding="utf-8"
    )
    data = {"source": "data/x.csv", "target": "target {{ 1 }}", "features": dict.fromkeys(columns, "number?")}
    creation.create(Answers({"project": {"name": "Odd Columns"}, "data": data}, tmp_path), Path("out"))
    assert parse_everything(tmp_path / "out") > 20
    schema = next((tmp_path / "out").rglob("schema.py")).read_text(encoding="utf-8")
    for column in columns:
        assert json.dumps(column, ensure_ascii=False) in schema


@pytest.mark.parametrize(("classes", "trees"), [(20, 20 * 200), (21, 21 * 50)])
def test_a_model_of_many_classes_stays_small(tmp_path, monkeypatch, classes, trees):
    """Boosting has trees for each class: 56 of them with 200 each were 100 MB, and took minutes to write."""
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text("x,y\n" + "".join(f"{n},c{n % classes}\n" for n in range(210)))
    data = {"source": "x.csv", "target": "y", "features": {"x": "integer"}}
    creation.create(Answers({"project": {"name": "Many"}, "data": data}, tmp_path), Path("out"))
    found = yaml.safe_load(Path("out/params.yaml").read_text())["model"]
    assert found["max_iter"] * classes == trees
    assert found["max_iter"] * found["learning_rate"] == pytest.approx(10)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_name_is_refused_or_stays_inside(tmp_path_factory, name, description):
    around = tmp_path_factory.mktemp("around")
    (around / "neighbour").write_text("x")
    given = answers()
    given.values["project"] |= {"name": name, "description": description}
    try:
        spec = specs.parse(given.values)
    except SpecError:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(around)
        created = creation.create(given, None)
    assert sorted(p.name for p in around.iterdir()) == sorted(["neighbour", spec.slug])
    assert (around / "neighbour").read_text() == "x"
    assert parse_everything(created.destination) > 20


def test_the_same_spec_gives_the_same_bytes_everywhere(tmp_path):
    trees = []
    for number, env in enumerate(
        (
            {"LC_ALL": "C", "TZ": "UTC", "PYTHONHASHSEED": "1"},
            {"LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "2"},
        )
    ):
        out = tmp_path / str(number) / "project"
        subprocess.run(
            [sys.executable, "-m", "seedbed", "new", out, "--spec", EXAMPLES / "flight-delays/seedbed.toml"],
            check=True,
            env={**os.environ, **env},
            capture_output=True,
        )
        trees.append(tree(out))
    assert trees[0] == trees[1]
    assert len(trees[0]) > 40


def test_the_project_can_be_made_again_from_its_own_spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    creation.create(answers("flight-delays"), Path("one"))
    creation.create(gather(spec_file=Path("one/seedbed.toml"), environ={}), Path("two"))
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_dry_run_lists_what_would_be_made_and_makes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planned = creation.create(answers(), Path("out"), dry_run=True)
    assert list(tmp_path.iterdir()) == []
    assert planned.files == creation.create(answers(), Path("out")).files


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "has no column 'species'"),
        ("", "is empty"),
        (b"\xff\xfe\x00", "not CSV text in UTF-8"),
        (None, "there is no file"),
    ],
)
def test_data_that_does_not_fit_is_refused(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("x.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SpecError, match=message):
        creation.create(answers(data__source="x.csv"), Path("out"))
    assert not Path("out").exists()


def test_a_layer_with_a_link_or_an_unknown_name_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "templates" / "bad" / "{{ cookiecutter.slug }}"
    folder.mkdir(parents=True)
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(layers, "resource", lambda name: tmp_path / name)
    layer = layers.Layer("bad", lambda _: True)
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(TemplateError, match="Symbolic links"):
        render._render_layer(layer, {"slug": "x"}, tmp_path / "out")
    (folder / "link").unlink()
    (folder / "file").write_text("{{ cookiecutter.nothing }}")
    with pytest.raises(TemplateError, match="can't render file"):
        render._render_layer(layer, {"slug": "x"}, tmp_path / "out")
    (folder / "file").write_text("{{ ''.__class__.__mro__ }}")
    with pytest.raises(TemplateError, match="unsafe"):
        render._render_layer(layer, {"slug": "x"}, tmp_path / "out")
    assert issubclass(TemplateError, SeedbedError)


def test_two_layers_may_not_write_the_same_file(tmp_path, monkeypatch):
    for name in ("one", "two"):
        folder = tmp_path / "templates" / name / "{{ cookiecutter.slug }}"
        folder.mkdir(parents=True)
        (folder / "same").write_text(name)
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(layers, "resource", lambda name: tmp_path / name)
    render._render_layer(layers.Layer("one", lambda _: True), {"slug": "x"}, tmp_path / "out")
    with pytest.raises(TemplateError, match="Two layers write same"):
        render._render_layer(layers.Layer("two", lambda _: True), {"slug": "x"}, tmp_path / "out")
    assert (tmp_path / "out" / "same").read_text() == "one"


def test_bucket_names_are_those_of_the_infrastructure(monkeypatch):
    monkeypatch.syspath_prepend(str(resources.resource("infra")))
    from mlops_platform.names import bucket_name

    for slug in ("a", "flight-delays", "x" * 40):
        for environment in ("dev", "e" * 20):
            for purpose in ("data", "artifacts"):
                assert naming.bucket_name(slug, environment, purpose) == bucket_name(slug, environment, purpose)


def test_output_names_are_those_of_the_infrastructure(monkeypatch):
    monkeypatch.syspath_prepend(str(resources.resource("infra")))
    from mlops_platform.contract import NAMES
    from seedbed.environments.variables import VARIABLES

    assert set(VARIABLES) == set(NAMES)
