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


def customers():
    """Dates, gaps, an identifier, free text, headers with umlauts, a boolean target and one class rare."""
    source = random.Random(1)
    lines = ["Nr;Geburtstag;zuletzt gesehen;Tarif für;älter;Notiz;gekündigt"]
    for number in range(1_500):
        born = f"{source.randrange(1950, 2005)}-{source.randrange(1, 13):02}-{source.randrange(1, 29):02}"
        hour = source.randrange(24)
        seen = f"2024-{source.randrange(1, 13):02}-{source.randrange(1, 29):02} {hour:02}:15"
        note = " ".join(source.choice(["ruft", "oft", "an", "wünscht", "nichts"]) for _ in range(9))
        gone = source.random() < 0.03 + 0.2 * (hour < 4)
        values = [f"K{number * 7919 % 99_991}", born, seen if source.random() < 0.9 else "", source.choice("äöü"), source.random() < 0.5, note, gone]  # fmt: skip
        lines.append(";".join(map(str, values)))
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
    env = {**os.environ, "PYTHONPATH": "src", "PATH": f"{made.root}/.venv/bin:{os.environ['PATH']}"}
    for stage in (["data", "start"], ["validate"], ["prepare"], ["train"], ["evaluate"]):
        result = run([made.python, "-m", "own_data", *stage], root, env)
        assert result.returncode == 0, result.stdout
    figures = json.loads((root / "metrics.json").read_text(encoding="utf-8"))
    assert figures["metric"] == metric
    # Twenty rows of exercises are too few for any model to be good.
    if file != "linnerud.csv":
        assert figures["model"][metric] > figures["constant"][metric]
    result = run([made.python, "-m", "pytest", "-q", "tests/test_data.py", "tests/test_validation.py"], root, env)
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
