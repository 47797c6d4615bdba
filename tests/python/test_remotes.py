"""Remotes: push, clone, fetch, pull, conflicts, and forks in between."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import artvcs as art
import pytest


@pytest.fixture
def shared(repo: art.Repository) -> art.Repository:
    """A repository that pushed one version to a directory."""
    repo.write("a.txt", "one")
    repo.versions.register("v1")
    repo.add_remote("origin", "../store")
    result = repo.push()
    assert result.remote == "origin" and len(result.refs) == 2
    return repo


def test_a_clone_fetches_content_when_it_is_read(shared: art.Repository) -> None:
    other = art.clone("../store", "../other")
    assert [remote.name for remote in other.remotes()] == ["origin"]
    assert other.with_project("ada/digits").at("v1").read_text("a.txt") == "one"
    shared.write("a.txt", "two")
    shared.push()
    assert other.fetch().entries == 1
    assert len(other.pull().refs) == 1


def test_changes_on_both_sides_are_a_conflict_with_its_result(shared: art.Repository) -> None:
    other = art.clone("../store", "../other", project="ada/digits")
    other = other.with_project("ada/digits")
    shared.versions.update("v1", description="here")
    shared.push()
    other.versions.update("v1", description="there")
    with pytest.raises(art.ConflictError) as caught:
        other.pull()
    assert caught.value.result.conflicts
    assert caught.value.exit_code == 13


def test_a_remote_that_is_not_there_is_an_error(repo: art.Repository) -> None:
    with pytest.raises(art.ArtError):
        repo.push()
    with pytest.raises(art.ArtError):
        art.clone("../nothing", "../other")


def work_in_child(directory: str, number: int) -> bool:
    """Writes, pushes and reads in a child process."""
    repo = art.Repository(directory)
    repo.versions.get("v1")
    repo.write(f"{number}.txt", str(number), run=f"worker-{number}")
    repo.push(f"run/worker-{number}")
    return repo.at(f"run/worker-{number}").read_text(f"{number}.txt") == str(number)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_child_processes_use_the_repository_and_the_remote(
    shared: art.Repository, method: str, directory: Path
) -> None:
    context = multiprocessing.get_context(method)
    for number in range(2):
        with shared.run(f"worker-{number}"):
            pass
    with context.Pool(2) as pool:
        jobs = [pool.apply_async(work_in_child, (shared.directory, n)) for n in range(2)]
        assert all(job.get(timeout=100) for job in jobs)
    assert shared.fsck()
