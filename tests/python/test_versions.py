"""Versions: registration, stages, changes, deletion."""

from __future__ import annotations

from pathlib import Path

import artvcs as art
import pytest


@pytest.fixture
def versions(repo: art.Repository) -> art.Versions:
    """The versions of a repository with one run."""
    repo.write("weights.bin", b"0.1 0.2 0.3")
    return repo.versions


def test_a_version_moves_through_the_stages(versions: art.Versions) -> None:
    version = versions.register("v1", description="first", tags="a,b", content={"accuracy": 0.9})
    assert (version.name, version.stage_name, version.tags) == ("v1", "testing", ["a", "b"])
    moved = version.stage("staging", reason="DriftTests", message="tests passed")
    assert (moved.origin, moved.stage, moved.changed) == ("testing", "staging", True)
    assert version.promote(expect="staging").stage == "production"
    assert version.stage_name == "testing" and version.refresh().stage_name == "production"
    entries = version.history()
    assert [entry.stage for entry in entries] == ["production", "staging", "testing"]
    assert (entries[1].reason, entries[1].message) == ("DriftTests", "tests passed")
    assert entries[0].reason == "ClientStageUpdate"
    with pytest.raises(art.ConflictError):
        versions.stage("v1", "staging", expect="testing")


def test_an_existing_name_is_refused_without_force(versions: art.Versions) -> None:
    versions.register("v1")
    with pytest.raises(art.AlreadyExistsError):
        versions.create("v1")
    with pytest.raises(art.AlreadyExistsError):
        versions.register("v1", description="other")
    changed = versions.register("v1", description="other", force=True)
    assert changed.description == "other"


def test_versions_are_found_by_name_stage_and_query(versions: art.Versions) -> None:
    for name in ("v1", "v2"):
        versions.register(name, tags=[name])
    versions.stage("v1", "production")
    assert versions["@production"].name == "v1"
    assert versions.get().name in ("v1", "v2")
    assert "v2" in versions and "v3" not in versions
    assert [info.name for info in versions.list("tags: v2")] == ["v2"]
    assert [info.name for info in versions.list(stage="production")] == ["v1"]
    assert len(versions.list(limit=1)) == 1
    assert versions.list(at="2020-01-01") == []


def test_an_update_changes_only_what_is_given(versions: art.Versions) -> None:
    versions.register("v1", description="first", tags=["a"], content="key: value")
    changed = versions.update("v1", name="v2", add_tags="b", readme="# hello")
    assert (changed.name, changed.description) == ("v2", "first")
    assert (changed.tags, changed.readme) == (["a", "b"], "# hello")
    assert versions.update("v2", content=[1, 2]).content == [1, 2]


def test_a_path_is_registered_in_one_step(
    repo: art.Repository, versions: art.Versions, directory: Path
) -> None:
    (directory / "set.csv").write_text("1,2")
    version = versions.register("sets", path="set.csv", kind="model")
    assert (version.kind, version.snapshot.read_bytes("set.csv")) == ("model", b"1,2")
    assert version.download("out").written == 1
    assert versions.pull("sets", "out").unchanged == 1


def test_deleted_versions_are_gone_all_or_none(versions: art.Versions) -> None:
    versions.register("v1")
    versions.register("v2")
    with pytest.raises(art.NotFoundError):
        versions.delete("v1", "v9")
    versions.delete("v1", "v2")
    assert versions.list() == []


def test_copies_and_transfers_reach_other_projects(
    repo: art.Repository, versions: art.Versions
) -> None:
    versions.register("v1", description="first")
    copy = versions.copy("v1", name="v2", tags="copied")
    assert (copy.name, copy.description, copy.tags) == ("v2", "first", ["copied"])
    with pytest.raises(art.NotFoundError):
        versions.copy("v1", to_project="ada/other")
    repo.with_project("ada/other").write("b", "2")
    other = versions.copy("v1", to_project="ada/other")
    assert (other.project, other.name) == ("ada/other", "v1-copy")
    moved = versions.transfer("v2", "ada/other")
    assert (moved.rev, moved.uuid) == ("ada/other:v2", copy.uuid)
    assert "v2" not in versions
