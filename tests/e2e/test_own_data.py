"""Projects made from people's own data: real sets of different shape train at once, and a file may lie in S3."""
# ruff: noqa: S311 - seeded data

import json
import os
import random
import shutil

import pytest
from tests.conftest import ROOT, run
from tests.e2e.object_store import object_store

SETS = """
import sys
from sklearn import datasets
for name in ("wine", "breast_cancer", "diabetes", "linnerud"):
    frame = getattr(datasets, "load_" + name)(as_frame=True).frame
    frame.to_csv(f"{sys.argv[1]}/{name}.csv", index=False)
datasets.load_wine(as_frame=True).frame.to_parquet(f"{sys.argv[1]}/wine.parquet", index=False)
"""
# Numbers alone, twenty rows, and a form, names and dates of somebody's own.
UNLIKE = ("diabetes.csv", "linnerud.csv", "kunden.csv")


@pytest.fixture(scope="module")
def sets(made, tmp_path_factory):
    """scikit-learn's bundled data, two bundled examples, and made-up customers of a shape that none of these has."""
    folder = tmp_path_factory.mktemp("sets")
    result = run([made.python, "-c", SETS, folder], folder)
    assert result.returncode == 0, result.stdout
    shutil.copyfile(ROOT / "examples/penguins/penguins.csv", folder / "penguins.csv")
    shutil.copyfile(ROOT / "examples/flight-delays/sample.csv", folder / "flights.csv")
    (folder / "kunden.csv").write_bytes(customers().encode("cp1252"))
    return folder


def customers(count=1_500):
    """Dates, gaps, an identifier, free text, headers with umlauts, a boolean target and one class rare."""
    source = random.Random(1)
    lines = ["Nr;Geburtstag;zuletzt gesehen;Tarif für;älter;Notiz;gekündigt"]
    for number in range(count):
        born = f"{source.randrange(1950, 2005)}-{source.randrange(1, 13):02}-{source.randrange(1, 29):02}"
        hour = source.randrange(24)
        seen = f"2024-{source.randrange(1, 13):02}-{source.randrange(1, 29):02} {hour:02}:15"
        note = " ".join(source.choice(["ruft", "oft", "an", "wünscht", "nichts"]) for _ in range(9))
        gone = source.random() < 0.03 + 0.2 * (hour < 4)
        values = [f"K{number * 7919 % 99_991}", born, seen if source.random() < 0.9 else "", source.choice("äöü"), source.random() < 0.5, note, gone]  # fmt: skip
        lines.append(";".join(map(str, values)))
    return "\n".join(lines) + "\n"


def patients():
    """Forty patients with twenty-five rows each, whose label is theirs by chance, and columns of odd names."""
    source = random.Random(1)
    lines = ['patient_id, self, index, "class, of 9", label']
    healthy = {patient: source.choice(["yes", "no"]) for patient in range(40)}
    for number in range(1_000):
        patient = number % 40
        mark = round(patient / 7 % 1 + source.gauss(0, 0.02), 3)
        lines.append(f'P{patient:03}, {mark}, {source.choice("abc")}, "{source.randrange(9)}", {healthy[patient]}')
    return "\n".join(lines) + "\n"


@pytest.fixture
def s3(tmp_path):
    with object_store(tmp_path / "store", "acme") as opened:
        yield opened


@pytest.mark.project
@pytest.mark.parametrize(
    ("file", "target", "more", "metric"),
    [
        ("penguins.csv", "species", (), "f1_macro"),
        ("flights.csv", "late", (), "roc_auc"),
        ("wine.parquet", "target", (), "f1_macro"),
        ("breast_cancer.csv", "target", (), "roc_auc"),
        ("diabetes.csv", "target", (), "r2"),
        ("linnerud.csv", "Weight", (), "r2"),
        ("kunden.csv", "gekündigt", ("--encoding", "cp1252"), "roc_auc"),
    ],
)
def test_a_project_trains_on_the_file_at_once(made, sets, tmp_path, seedbed, file, target, more, metric):
    arguments = ["--data", sets / file, "--target", target, "--set", "project.name=Own Data", *more]
    result = seedbed("new", "own", *arguments)
    assert result.code == 0, result.err
    root = tmp_path / "own"
    (root / ".venv").symlink_to(made.root / ".venv")
    assert run(["git", "init", "--quiet"], root).returncode == 0
    env = {**os.environ, "PYTHONPATH": str(root / "src"), "PATH": f"{made.root}/.venv/bin:{os.environ['PATH']}"}
    for stage in (["data", "start"], ["validate"], ["prepare"], ["train"], ["evaluate"]):
        result = run([made.python, "-m", "own_data", *stage], root, env)
        assert result.returncode == 0, result.stdout
    figures = json.loads((root / "metrics.json").read_text(encoding="utf-8"))
    assert figures["metric"] == metric
    # Twenty rows of exercises are too few for any model to be good.
    if file != "linnerud.csv":
        assert figures["model"][metric] > figures["constant"][metric]
    # All of its own tests take minutes: those of files that are unlike the example whose tests run elsewhere.
    tests = [] if file in UNLIKE else ["tests/test_data.py", "tests/test_validation.py"]
    for command in (["pytest", "-q", *tests], ["ruff", "check", "--quiet"], ["ruff", "format", "--check", "--quiet"]):
        result = run([made.python, "-m", *command], root, env)
        assert result.returncode == 0, result.stdout


@pytest.fixture
def own(made, tmp_path, seedbed):
    """Makes a project of a file, and returns what runs commands in it."""

    def make(file, target, *more):
        result = seedbed("new", "own", "--data", file, "--target", target, "--set", "project.name=Own Data", *more)
        assert result.code == 0, result.err
        root = tmp_path / "own"
        (root / ".venv").symlink_to(made.root / ".venv")
        assert run(["git", "init", "--quiet"], root).returncode == 0
        env = {**os.environ, "PYTHONPATH": str(root / "src"), "PATH": f"{made.root}/.venv/bin:{os.environ['PATH']}"}

        def command(*arguments, **variables):
            return run([made.python, "-m", "own_data", *arguments], root, env | variables)

        return command

    return make


@pytest.mark.project
def test_a_label_that_is_a_patient_s_is_not_learned_by_heart(own, tmp_path):
    (tmp_path / "patients.csv").write_text(patients())
    command = own(tmp_path / "patients.csv", "label")
    for stage in (["data", "start"], ["validate"], ["prepare"], ["train"], ["evaluate"]):
        result = command(*stage)
        assert result.returncode == 0, result.stdout
    figures = json.loads((tmp_path / "own/metrics.json").read_text(encoding="utf-8"))
    # With rows of each patient on both sides it is 0.9.
    assert figures["model"]["roc_auc"] < 0.75


@pytest.mark.project
def test_next_month_s_file_is_taken_if_it_is_of_the_same_form(own, tmp_path):
    (tmp_path / "kunden.csv").write_bytes(customers().encode("cp1252"))
    command = own(tmp_path / "kunden.csv", "gekündigt", "--encoding", "cp1252")
    assert command("data", "start").returncode == 0
    header, *lines = customers(90).splitlines()
    for name, text, said in (
        ("mar.csv", "\n".join([header, *lines]), ""),
        ("apr.csv", "\n".join([header, *(line.replace("True", "1").replace("False", "0") for line in lines)]), ""),
        ("shifted.csv", "\n".join([header, *(line + ";" for line in lines)]), "line 2: 8 values"),
        (
            "classes.csv",
            "\n".join([header, *(line.rpartition(";")[0] + ";vielleicht" for line in lines)]),
            "'vielleicht'",
        ),
        (".hidden.csv", "\n".join([header, *lines]), "hidden files aren't read"),
    ):
        (tmp_path / name).write_bytes(text.encode("cp1252"))
        result = command("data", "add", str(tmp_path / name))
        assert (result.returncode == 0, said in result.stdout) == (not said, True), result.stdout
    assert sorted(path.name for path in (tmp_path / "own/data/raw").iterdir()) == ["apr.csv", "mar.csv", "sample.csv"]
    assert command("validate").returncode == 0


@pytest.mark.project
def test_data_goes_to_the_store_of_the_environment_and_comes_back_from_it(own, tmp_path, s3):
    environment, client = s3
    (tmp_path / "patients.csv").write_text(patients())
    command = own(tmp_path / "patients.csv", "label")
    assert command("data", "start").returncode == 0
    result = command("data", "push")
    assert (result.returncode, "DATA_BUCKET" in result.stdout) == (1, True), result.stdout
    result = command("data", "push", DATA_BUCKET="acme", **environment)
    assert result.returncode == 0, result.stdout
    assert "pushed to s3://acme/dvc" in result.stdout
    keys = [item["Key"] for item in client.list_objects_v2(Bucket="acme")["Contents"]]
    assert all(key.startswith("dvc/files/md5/") for key in keys)
    version = command("data", "version").stdout
    # As in a clone: neither the files nor DVC's cache.
    shutil.rmtree(tmp_path / "own/data/raw")
    shutil.rmtree(tmp_path / "own/.dvc/cache")
    result = command("data", "start")
    assert (result.returncode, "DATA_BUCKET" in result.stdout) == (1, True), result.stdout
    assert command("data", "start", DATA_BUCKET="acme", **environment).returncode == 0
    assert command("data", "version").stdout == version
    result = command("data", "start", DATA_BUCKET="nowhere", **environment)
    assert result.returncode == 0, result.stdout


def test_a_file_in_s3(seedbed, tmp_path, s3):
    environment, client = s3
    client.put_object(Bucket="acme", Key="sales/kunden.csv", Body=customers().encode())
    arguments = ("new", "out", "--target", "gekündigt", "--set", "project.name=Kunden", "--data")
    result = seedbed(*arguments, "s3://acme/sales/kunden.csv", env=environment)
    assert result.code == 0, result.err
    assert (tmp_path / "out/tests/data/sample.csv").read_text(encoding="utf-8").count("\n") == 1_501

    for url, change, message in (
        ("s3://acme/nothing.csv", {}, "there is no such bucket or object"),
        ("s3://nowhere/kunden.csv", {}, "there is no such bucket or object"),
        ("s3://acme/sales/kunden.csv", {"AWS_SECRET_ACCESS_KEY": "wrong"}, "the object store denies access"),
        ("s3://acme/sales/kunden.csv", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "can't be reached"),
    ):
        result = seedbed("new", "no", "--target", "y", "--data", url, env={**environment, **change})
        assert (result.code, message in result.err) == (3, True), result.err
        assert environment["AWS_SECRET_ACCESS_KEY"] not in result.err
    assert not (tmp_path / "no").exists()
