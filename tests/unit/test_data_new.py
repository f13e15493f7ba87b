"""`seedbed new --data`: what a person sees, what the project gets, and how much memory that takes."""
# ruff: noqa: S311 - seeded data

import csv
import random
import subprocess
import sys
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from seedbed.cli import output
from seedbed.cli.new import command

RARE = 30
MEMORY_MB = 300  # 180 as a rule; all of it at once takes 2 GB


def write_csv(path, rows, header=("id", "größe", "zone", "late"), separator=",", encoding="utf-8"):
    text = "\n".join(separator.join(map(str, row)) for row in [header, *rows]) + "\n"
    path.write_bytes(text.encode(encoding))
    return path


def some(count, *, rare=RARE):
    source = random.Random(1)
    late = {*source.sample(range(count), rare)} if rare else set()
    return [
        (f"K{n * 7919 % 1_000_003}", round(source.gauss(0, 1), 3), source.choice(["x", "é"]), n in late)
        for n in range(count)
    ]


def sample(root):
    with (root / "tests/data/sample.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def schema_of(root):
    return next(root.glob("src/*/schema.py")).read_text(encoding="utf-8")


def spec(root):
    return tomllib.loads((root / "seedbed.toml").read_text(encoding="utf-8"))


def test_the_used_columns_of_a_small_file_are_the_project_s_data(tmp_path, seedbed):
    path = write_csv(tmp_path / "deliveries of 2024.csv", some(200))
    result = seedbed("new", "--data", path, "--target", "late")
    assert result.code == 0, result.err
    assert "200 rows; classification of late from 2 columns, 1 left out" in result.out
    assert "names each row: nearly all values are different" in result.out
    root = tmp_path / "deliveries-of-2024"
    lines = path.read_text(encoding="utf-8").splitlines()
    assert (root / "tests/data/sample.csv").read_text(encoding="utf-8").splitlines() == [
        line.partition(",")[2] for line in lines
    ]
    assert "goes into git, in tests/data/sample.csv: 200 rows with größe, zone, late." in result.out
    assert not (root / "data/raw").exists()
    written = spec(root)
    assert written["project"] | {"name": "Deliveries Of 2024", "task": "classification"} == written["project"]
    assert written["data"] == {
        "source": "tests/data/sample.csv", "target": "late", "time": "", "encoding": "utf-8",
        "classes": [False, True], "features": {"größe": "number", "zone": "category"},
    }  # fmt: skip
    again = seedbed("new", "again", "--spec", root / "seedbed.toml")
    assert again.code == 0, again.err
    assert spec(tmp_path / "again") == written


def test_other_dialects_become_the_project_s_own(tmp_path, seedbed):
    rows = some(300)
    rows[5] = (*rows[5][:3], "")
    path = write_csv(tmp_path / "x.csv", rows, separator=";", encoding="latin-1")
    refused = seedbed("new", "out", "--data", path, "--target", "late")
    assert refused.code == 3
    assert "byte 0xf6" in refused.err
    assert "--encoding latin-1" in refused.err
    result = seedbed("new", "out", "--data", path, "--target", "late", "--encoding", "latin-1")
    assert result.code == 0, result.err
    assert "1 rows without late are left out" in result.out
    found = sample(tmp_path / "out")
    assert len(found) == 299
    assert {row["zone"] for row in found} == {"x", "é"}
    written = spec(tmp_path / "out")["data"]
    assert written["encoding"] == "utf-8"
    # Next month's file is of the same form.
    form = {"encoding": "iso8859-1", "separator": ";", "decimal": ".", "thousands": ""}
    assert written["files"] == form
    schema = schema_of(tmp_path / "out")
    assert 'ARRIVING = CsvForm(encoding="iso8859-1", separator=";")' in schema
    again = seedbed("new", "again", "--spec", tmp_path / "out/seedbed.toml")
    assert again.code == 0, again.err
    assert spec(tmp_path / "again")["data"] == written


def test_numbers_of_another_form_become_plain(tmp_path, seedbed):
    rows = [
        (f"{n % 7 + 1}.{n * 37 % 1000:03},5", f"{n % 5}.{n % 9}", f"{n / 8:.1f}".replace(".", ",")) for n in range(300)
    ]
    path = write_csv(tmp_path / "x.csv", rows, ("price", "version", "y"), ";")
    refused = seedbed("new", "out", "--data", path, "--target", "y")
    assert refused.code == 3
    assert "data.target: y holds numbers with a decimal comma" in refused.err
    assert "Read them with --decimal ," in refused.err
    arguments = ("--data", path, "--target", "y", "--decimal", ",", "--thousands", ".")
    result = seedbed("new", "out", *arguments, "--column", "version=category")
    assert result.code == 0, result.err
    found = sample(tmp_path / "out")
    assert found[13] == {"price": "7481.5", "version": "3.4", "y": "1.6"}
    assert spec(tmp_path / "out")["data"]["features"] == {"price": "number", "version": "category"}
    schema = schema_of(tmp_path / "out")
    assert 'ARRIVING = CsvForm(separator=";", decimal=",", thousands=".")' in schema


def test_what_is_not_used_does_not_go_into_git(tmp_path, seedbed):
    rows = [(*row, f"person{n}@example.org") for n, row in enumerate(some(200))]
    path = write_csv(tmp_path / "x.csv", rows, ("id", "größe", "zone", "late", "email"))
    assert seedbed("new", "out", "--data", path, "--target", "late").code == 0
    for file in (tmp_path / "out").rglob("*"):
        assert not file.is_file() or b"person7@" not in file.read_bytes(), file


def test_rows_that_belong_together_stay_together(tmp_path, seedbed):
    source = random.Random(1)
    rows = [(n % 40, round(n % 40 + source.random(), 3), source.choice("ab")) for n in range(1_000)]
    path = write_csv(tmp_path / "x.csv", rows, ("patient_id", "pressure", "y"))
    result = seedbed("new", "out", "--data", path, "--target", "y")
    assert result.code == 0, result.err
    assert "rows of one patient_id are tested together" in result.out
    assert spec(tmp_path / "out")["data"]["group"] == "patient_id"
    assert list(sample(tmp_path / "out")[0]) == ["patient_id", "pressure", "y"]
    schema = schema_of(tmp_path / "out")
    assert 'GROUP: str | None = "patient_id"' in schema
    result = seedbed("new", "alone", "--data", path, "--target", "y", "--group", "")
    assert result.code == 0, result.err
    assert "group" not in spec(tmp_path / "alone")["data"]
    assert list(sample(tmp_path / "alone")[0]) == ["pressure", "y"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(n, "ab"[n % 2]) for n in range(3)], "3 rows with y are too few"),
        ([(n, "b" if n == 5 else "a") for n in range(300)], "y is 'a' in all rows but 1: none is left to test with"),
    ],
)
@pytest.mark.parametrize("said", [True, False])
def test_what_can_not_be_divided_is_refused(tmp_path, seedbed, rows, message, said):
    path = write_csv(tmp_path / "x.csv", rows, ("x", "y"))
    (tmp_path / "s.toml").write_text('[data]\nsource = "-"\ntarget = "y"\nfeatures = {x = "number"}\n')
    arguments = ("--spec", tmp_path / "s.toml", "--set", "project.name=Few") if said else ("--target", "y")
    result = seedbed("new", "out", "--data", path, "--column", "x=number", *arguments)
    assert (result.code, message in result.err) == (3, True), result.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("last", "message"), [(b"K1,1,x\n", "line 20002: 3 values"), (b"K1,1,\xe9,True\n", "not CSV text in UTF-8")]
)
def test_a_flaw_far_down_in_a_file_is_found_without_inference(tmp_path, seedbed, last, message):
    path = write_csv(tmp_path / "x.csv", some(20_000))
    assert seedbed("new", "one", "--data", path, "--target", "late", "--column", "id=category").code == 0
    path.write_bytes(path.read_bytes() + last)
    result = seedbed("new", "two", "--spec", tmp_path / "one/seedbed.toml", "--data", path)
    assert (result.code, message in result.err) == (3, True), result.err
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_of_a_large_file_a_sample_goes_into_git_and_all_of_it_beside(tmp_path, seedbed, suffix):
    rows, header = some(60_000), ("id", "größe", "zone", "late")
    path = write_csv(tmp_path / "large.csv", rows)
    if suffix == "parquet":
        path = tmp_path / "large.parquet"
        pq.write_table(pa.table(dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))), path)
    for name in ("one", "two"):
        result = seedbed("new", name, "--data", path, "--target", "late")
        assert result.code == 0, result.err
    root = tmp_path / "one"
    assert (root / "data/raw" / path.name).read_bytes() == path.read_bytes()
    assert (tmp_path / "two/tests/data/sample.csv").read_bytes() == (root / "tests/data/sample.csv").read_bytes()
    found = sample(root)
    assert list(found[0]) == ["größe", "zone", "late"]
    assert 1_900 < len(found) < 2_200
    # All rows of the rare class, where their share would give one.
    assert sum(row["late"].lower() == "true" for row in found) == RARE
    assert "All of the data, with every column, is in data/raw: for DVC and its store, not for git." in result.out
    assert f"A sample of it goes into git: {len(found):,} rows with größe, zone, late." in result.out


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_without_a_target_are_left_out_of_a_large_file_too(tmp_path, seedbed, suffix):
    rows, header = (
        [(*row[:3], "" if n % 10 == 0 else row[3]) for n, row in enumerate(some(60_000))],
        ("a", "b", "c", "y"),
    )
    path = write_csv(tmp_path / "large.csv", rows, header)
    if suffix == "parquet":
        path = tmp_path / "large.parquet"
        columns = [list(column) for column in zip(*rows, strict=True)]
        columns[3] = [value or None if value == "" else value for value in columns[3]]
        pq.write_table(pa.table(dict(zip(header, columns, strict=True))), path)
    result = seedbed("new", "out", "--data", path, "--target", "y", "--json")
    assert result.code == 0, result.out
    assert result.json["rows_left_out"] == 6_000
    whole = tmp_path / "out/data/raw" / path.name
    if suffix == "parquet":
        read = pq.read_table(whole)
        assert (read.num_rows, read["y"].null_count, read.column_names) == (54_000, 0, list(header))
    else:
        with whole.open(encoding="utf-8", newline="") as file:
            read = list(csv.DictReader(file))
        assert len(read) == 54_000
        assert {row["y"] for row in read} == {"True", "False"}


def test_flags_correct_what_was_found(tmp_path, seedbed):
    path = write_csv(tmp_path / "x.csv", some(200))
    result = seedbed(
        "new", "out", "--data", path, "--target", "größe", "--column", "id=category", "--column", "zone=drop",
        "--set", "data.features.late=category", "--dry-run", "--json",
    )  # fmt: skip
    assert result.code == 0, result.out
    assert not (tmp_path / "out").exists()
    data = result.json["data"]
    assert (data["task"], data["target"]) == ("regression", "größe")
    kinds = {column["name"]: (column["role"], column["kind"]) for column in data["columns"]}
    assert kinds["id"] == kinds["late"] == ("feature", "category")
    assert kinds["zone"][0] == "left out"


def test_what_the_spec_file_says_is_not_inferred(tmp_path, seedbed):
    path = write_csv(tmp_path / "x.csv", some(200))
    assert seedbed("new", "one", "--data", path, "--target", "late", "--column", "id=category").code == 0
    other = write_csv(tmp_path / "y.csv", some(150))
    result = seedbed("new", "two", "--spec", tmp_path / "one/seedbed.toml", "--data", other)
    assert result.code == 0, result.err
    assert spec(tmp_path / "two")["data"] == spec(tmp_path / "one")["data"]
    assert len(sample(tmp_path / "two")) == 150


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--data", "x.csv"), 2, "Which column of x.csv shall the model predict? It has: id, größe, zone, late"),
        (("--data", "x.csv", "--target", "lade"), 3, "data.target: the data has no column 'lade'"),
        (("--data", "x.csv", "--target", "id"), 3, "names each row"),
        (("--data", "nothing.csv", "--target", "late"), 3, "there is no file"),
        (("--data", "x.csv", "--target", "late", "--column", "id"), 2, "not of the form NAME=KIND"),
        (("--data", "x.csv", "--target", "late", "--column", "id=date"), 3, "not every value is of the kind date"),
        (("--column", "id=date"), 2, "no file is given"),
        (("--target", "late"), 2, "--target is about your own data, and no file is given"),
    ],
)
def test_what_can_t_be_done_is_said(tmp_path, seedbed, arguments, code, message):
    write_csv(tmp_path / "x.csv", some(200))
    result = seedbed("new", "out", *arguments)
    assert (result.code, message in result.err) == (code, True), result.err
    assert "Next: " in result.err
    assert not (tmp_path / "out").exists()


def test_a_column_s_name_can_t_act_on_the_terminal(tmp_path, seedbed):
    path = write_csv(tmp_path / "x.csv", some(200), header=("id", "\x1b[31mred", "zone", "late"))
    result = seedbed("new", "out", "--data", path, "--target", "late")
    assert result.code == 0, result.err
    assert "\x1b" not in result.out
    assert "characters that can't be seen: U+001B" in result.out


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="only Linux says how much a process had at most")
def test_a_large_file_takes_bounded_memory(tmp_path):
    source = random.Random(1)
    block = "".join(
        f"2024-01-{1 + n % 28:02},{source.gauss(0, 1):.6f},{source.randrange(10**6)},{'x' * source.randrange(60)},{source.random() < 0.01}\n"
        for n in range(20_000)
    )
    path = tmp_path / "large.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("day,amount,code,note,late\n")
        while file.tell() < 200_000_000:
            file.write(block)
    # Not getrusage: Linux counts there what the process that started this one had, too.
    code = (
        "import re, sys; from seedbed.cli.main import _run; code = _run(sys.argv[1:]);"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 1024); sys.exit(code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "new", "out", "--data", path, "--target", "late", "--dry-run"],
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=600,
    )  # fmt: skip
    assert "Reading large.csv: 20" in result.stderr
    assert int(result.stdout.split()[-1]) < MEMORY_MB


def test_on_a_terminal_a_person_is_asked_and_corrects(tmp_path, monkeypatch):
    path = write_csv(tmp_path / "x.csv", some(200))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(output, "is_terminal", lambda: True)
    typed = [
        "lade", "late", "zone=date", "zone=drop", "nonsense", "zon=drop", "größe=big", "task x", "time zone", "group zone",
        "group", "", *[""] * 12,
    ]  # fmt: skip
    result = CliRunner().invoke(command, ["out", "--data", str(path)], input="\n".join(typed) + "\n")
    assert result.exit_code == 0, result.output
    assert "there is no column 'lade'; 'late'?" in result.output
    assert "not every value is of the kind date" in result.output
    for answer in (
        "'nonsense' is not understood", "There is no column 'zon'", "'zone'?", "'big' is no kind", "'x' is no task",
        "; times are ISO 8601",
    ):  # fmt: skip
        assert answer in result.output
    assert "zone    group" in result.output
    assert "What is the project called? [X]" in result.output
    assert "Does it predict a class or a number?" not in result.output
    assert spec(tmp_path / "out")["data"]["features"] == {"größe": "number"}
