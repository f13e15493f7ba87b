"""A run trains on the data version that its commit names, or not at all."""

from pathlib import Path

import pytest

from {{ cookiecutter.package }}.errors import DataError, StoreError
from {{ cookiecutter.package }}.pipelines import commits, store

OTHER = "2" * 32 + ".dir"
LATEST = "3" * 32 + ".dir"


@pytest.fixture
def source():
    Path("remote").mkdir()
    Path("remote/latest").write_text(LATEST)
    return store.open_store("remote")


def test_a_commit_s_own_version_counts_not_what_lies_in_the_working_folder(project, source):
    commit = project.head
    project.record(OTHER)
    assert commits.recorded(commit) == project.VERSION
    assert commits.recorded() == OTHER
    assert commits.settle(commit, "", source) == (project.VERSION, commit)
    assert commits.settle(commit, project.VERSION, source) == (project.VERSION, commit)


def test_another_version_than_the_commit_s_is_refused(project, source):
    commit = project.head
    project.record(OTHER)
    with pytest.raises(DataError, match=f"names data version {project.VERSION}, not {OTHER}"):
        commits.settle(commit, OTHER, source)
    assert commits.settle(commit, store.LATEST, source) == (LATEST, commit)
    with pytest.raises(StoreError, match="isn't a data version"):
        commits.settle(commit, "newest", source)


def test_code_that_no_commit_holds_is_never_known_by_the_same_name(project, source):
    assert commits.settle("", "", source) == (project.VERSION, project.head)
    Path("params.yaml").write_text("model:\n  max_iter: 3\n")
    (_, first), (_, second) = (commits.settle("", "", source) for _ in range(2))
    assert first != second
    assert {first, second}.isdisjoint({"", project.head})


def test_an_image_runs_only_the_commit_that_it_was_built_from(source, monkeypatch):
    Path("data").mkdir()
    Path("data/raw.dvc").write_text(f"outs:\n- md5: {OTHER}\n  path: raw\n")
    monkeypatch.setenv("GIT_COMMIT", "a" * 40)
    assert commits.settle("a" * 40, "", source) == (OTHER, "a" * 40)
    assert commits.settle("", "", source) == (OTHER, "a" * 40)
    with pytest.raises(DataError, match=f"built from commit {'a' * 40}, and the run is for {'b' * 40}"):
        commits.settle("b" * 40, "", source)
    with pytest.raises(DataError, match=f"names data version {OTHER}"):
        commits.settle("a" * 40, LATEST, source)


def test_an_image_that_doesn_t_know_its_commit_still_knows_its_data(source, monkeypatch):
    monkeypatch.delenv("GIT_COMMIT", raising=False)
    Path("data").mkdir()
    Path("data/raw.dvc").write_text(f"outs:\n- md5: {OTHER}\n  path: raw\n")
    assert commits.settle("b" * 40, OTHER, source) == (OTHER, "b" * 40)
    with pytest.raises(DataError, match=f"names data version {OTHER}"):
        commits.settle("b" * 40, LATEST, source)


@pytest.mark.parametrize("content", [None, "", "outs: [", "outs: []", "outs:\n- path: raw\n"])
def test_a_missing_or_broken_record_says_how_to_make_one(content):
    if content is not None:
        Path("data").mkdir()
        Path("data/raw.dvc").write_text(content)
    with pytest.raises(DataError, match="make data"):
        commits.recorded()
