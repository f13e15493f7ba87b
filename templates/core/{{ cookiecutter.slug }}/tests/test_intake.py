"""Data comes in: with the real DVC, in a Git repository."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from {{ cookiecutter.package }} import data, intake, remote
from {{ cookiecutter.package }}.errors import DataError
from {{ cookiecutter.package }}.schema import TARGET

from support import ROOT, SAMPLE, changed


@pytest.fixture
def repository(tmp_path):
    """A Git repository with this project's DVC settings and its sample."""
    subprocess.run(["git", "init", "--quiet"], check=True)
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore", "data/.gitignore", str(intake.SAMPLE)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


def recorded():
    return yaml.safe_load(intake.RECORD.read_text())["outs"][0]["md5"]


def content(folder):
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()
    }


def test_good_files_come_in_one_after_another(repository, frame):
    remarks = []
    data.RAW.mkdir(parents=True)
    shutil.copyfile(SAMPLE, data.RAW / "sample.csv")
    frame.head(9).to_parquet("new.parquet")
    assert intake.add(Path("new.parquet"), tell=remarks.append) == recorded()
    assert sorted(path.name for path in data.RAW.iterdir()) == ["new.parquet", "sample.csv"]
    assert remarks == []
    assert intake.add(Path("new.parquet"), replace=True) == recorded()
    assert [path.name for path in data.RAW.iterdir()] == ["new.parquet"]


def test_a_folder_that_is_not_the_tracked_one_is_none_of_dvcs_business(tmp_path, frame):
    folder = tmp_path / "copy"
    folder.mkdir()
    shutil.copyfile(SAMPLE, folder / "sample.csv")
    frame.head(9).to_parquet("new.parquet")
    before = intake.start(folder)
    assert before == data.version(folder)
    assert intake.add(Path("new.parquet"), folder=folder) == data.version(folder) != before
    assert not intake.RECORD.exists()


def test_what_the_record_names_is_what_is_trained_on(repository, frame, monkeypatch):
    monkeypatch.setattr(remote, "cache", lambda: Path(".dvc/cache/files/md5").resolve())
    notes = []
    first, before = intake.start(), intake.RECORD.read_text()
    assert first == recorded()
    assert [path.read_bytes() for path in data.RAW.iterdir()] == [SAMPLE.read_bytes()]
    frame.head(9).to_csv("feb.csv", index=False)
    second, after = intake.add(Path("feb.csv")), intake.RECORD.read_text()
    # The files are lost.
    shutil.rmtree(data.RAW)
    assert intake.start(tell=notes.append) == data.version(data.RAW) == second
    assert notes == []
    # An older commit is checked out.
    intake.RECORD.write_text(before)
    assert intake.start(tell=notes.append) == data.version(data.RAW) == first
    assert "was brought to" in notes[0]
    # A colleague's data is pulled, and the folder holds a file that is recorded nowhere.
    intake.RECORD.write_text(after)
    (data.RAW / "mine.csv").write_text("x")
    frame.tail(5).to_csv("mar.csv", index=False)
    held = content(data.RAW)
    for run in (intake.start, lambda: intake.add(Path("mar.csv"))):
        with pytest.raises(DataError, match=r"(?s)recorded nowhere: mine\.csv.+dvc add.+checkout --force"):
            run()
    assert content(data.RAW) == held
    (data.RAW / "mine.csv").unlink()
    intake.add(Path("mar.csv"))
    assert sorted(path.name for path in data.RAW.iterdir()) == ["feb.csv", "mar.csv", "sample.csv"]
    assert recorded() == data.version(data.RAW) != second


@pytest.fixture
def clone(monkeypatch):
    """A clone: the record is there, and neither the data nor DVC's cache."""
    intake.RECORD.parent.mkdir()
    intake.RECORD.write_text(f"outs:\n- md5: {'0' * 32}.dir\n  path: raw\n")
    calls = []
    monkeypatch.setattr(remote, "cache", lambda: Path(".dvc/cache/files/md5").resolve())
    monkeypatch.setattr(remote, "dvc", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(remote, "choose", lambda: "dev")
    return calls


def test_in_a_clone_the_data_is_fetched_first_and_then_added_to(clone, frame):
    frame.to_csv("new.csv", index=False)
    intake.add(Path("new.csv"))
    record = str(intake.RECORD)
    assert clone == [("fetch", "--remote", "dev", record), ("checkout", record), ("add", str(data.RAW))]


def test_what_is_replaced_is_not_fetched(clone, frame):
    frame.to_csv("new.csv", index=False)
    intake.add(Path("new.csv"), replace=True)
    assert clone == [("add", str(data.RAW))]


def test_a_record_with_two_sides_of_a_merge_is_explained(clone):
    intake.RECORD.write_text("<<<<<<< HEAD\nouts:\n=======\nouts:\n>>>>>>> other\n")
    with pytest.raises(DataError, match=r"git checkout --theirs data/raw\.dvc"):
        intake.start()


def test_what_is_replaced_was_recorded_before(raw, frame, monkeypatch):
    recorded = []
    monkeypatch.setattr(remote, "dvc", lambda *_: recorded.append([path.name for path in raw.iterdir()]))
    frame.head(9).to_csv("new.csv", index=False)
    intake.add(Path("new.csv"), replace=True)
    assert recorded == [["sample.csv"], ["new.csv"]]


def test_bad_files_change_nothing(repository, raw, frame):
    before = content(raw.parent)
    changed(frame, TARGET, None).to_csv("bad.csv", index=False)
    frame.head(3).to_csv("sample.csv", index=False)
    Path("table.xlsx").touch()
    frame.to_csv(".hidden.csv", index=False)
    for name, message in (
        ("bad.csv", "not filled"),
        ("sample.csv", "exists with other content"),
        ("table.xlsx", "neither"),
        (".hidden.csv", "hidden files aren't read"),
        ("nowhere.csv", "isn't a file"),
    ):
        with pytest.raises(DataError, match=message):
            intake.add(Path(name), replace=name == "bad.csv")
    assert content(raw.parent) == before


def test_outside_git_dvc_s_own_words_are_shown(raw, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(Path.cwd().parent))
    with pytest.raises(DataError, match="dvc add failed"):
        intake.start()
