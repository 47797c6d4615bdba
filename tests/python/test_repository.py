"""Repositories: uploads, downloads, history, tags, undo and checks."""

from __future__ import annotations

import json
import pickle
import subprocess
from pathlib import Path
from typing import Any

import artvcs as art
import pytest


def command(*words: str) -> Any:
    """Returns the JSON of the command."""
    done = subprocess.run(
        [art.find_art_bin(), "--json", *words], capture_output=True, check=True, text=True
    )
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_upload_is_restored_byte_for_byte(repo: art.Repository, directory: Path) -> None:
    (directory / "model" / "empty").mkdir(parents=True)
    data = bytes(range(256)) * 20_000
    (directory / "model" / "weights.bin").write_bytes(data)
    result = repo.upload("model", message="first")
    assert (result.new_run, result.files, result.bytes) == (True, 1, len(data))
    assert repo.upload("model").commit is None
    done = repo.download("HEAD", "copy")
    assert (done.written, done.bytes) == (1, len(data))
    assert (directory / "copy/model/weights.bin").read_bytes() == data
    assert repo.download("HEAD", "copy").unchanged == 1


def test_a_download_replaces_other_files_only_with_force(
    repo: art.Repository, directory: Path
) -> None:
    repo.write("a.txt", "ours")
    (directory / "a.txt").write_text("theirs")
    with pytest.raises(art.RefusedError):
        repo.download("HEAD", ".")
    assert repo.download("HEAD", ".", force=True).replaced == ["a.txt"]
    assert (directory / "a.txt").read_text() == "ours"


def test_values_equal_those_of_the_command(repo: art.Repository, directory: Path) -> None:
    with repo.run("train", tags=["gpu"]) as run:
        run.write("a.txt", "one")
        run.write("a.txt", "two")
        run.log(metrics={"accuracy": 0.5})
    repo.versions.register("v1", content={"b": [1, 2.5], "a": None})
    repo.tag("t")
    assert repo.runs()[0].to_dict() == command("runs")[0]
    assert run.info.to_dict() == command("runs", "show", "train")
    assert repo.versions.list()[0].to_dict() == command("versions")[0]
    assert repo.versions.get("v1").to_dict() == command("get", "v1")
    assert [entry.to_dict() for entry in repo.log()] == command("log")
    assert repo.diff("HEAD~1", "HEAD").to_dict() == command("diff", "HEAD~1", "HEAD")
    assert repo.tags()[0].to_dict() == command("tag")[0]
    assert [info.to_dict() for info in repo.at("v1").ls(recursive=True)] == command(
        "ls", "v1", "--recursive", "--long"
    )
    assert repo.versions.history("v1")[0].to_dict() == command("history", "v1")[0]


def test_log_diff_and_status_show_the_changes(repo: art.Repository, directory: Path) -> None:
    (directory / "a.txt").write_text("one")
    repo.upload("a.txt", message="first")
    (directory / "a.txt").write_text("two")
    assert repo.status().modified == 1
    repo.upload("a.txt", message="second")
    log = repo.log()
    assert [entry.message for entry in log] == ["second", "first"]
    assert log[0].parents == [log[1].commit]
    assert log[0].time is not None and log[0].time.tzinfo is not None
    assert repo.diff("HEAD~1", "HEAD")
    assert not repo.diff("HEAD", "HEAD")
    assert len(repo.log(limit=1)) == 1


def test_undo_reverts_the_newest_operation(repo: art.Repository) -> None:
    repo.write("a", "1")
    repo.versions.register("v1")
    repo.versions.delete("v1")
    assert "v1" not in repo.versions
    undone = repo.undo()
    assert "v1" in repo.versions
    assert undone.undone["command"]


def test_tags_name_commits_until_they_are_deleted(repo: art.Repository) -> None:
    first = repo.write("a", "1", message="first").commit
    repo.write("a", "2")
    assert repo.tag("good", "HEAD~1").commit == first
    with pytest.raises(art.ArtError):
        repo.tag("good", "HEAD")
    assert repo.tag("good", "HEAD", force=True).previous == first
    repo.delete_tag("good")
    assert repo.tags() == []


def test_a_repository_can_be_pickled_and_found_from_below(
    repo: art.Repository, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pickle.loads(pickle.dumps(repo)) == repo
    (directory / "deep" / "down").mkdir(parents=True)
    assert art.repo("deep/down") == repo
    monkeypatch.chdir(directory / "deep")
    assert art.repo().directory == repo.directory
    monkeypatch.chdir("/")
    monkeypatch.setenv("ART_DIR", repo.directory)
    assert art.repo().directory == repo.directory
    assert art.repo().project == "ada/digits"
    assert repo.with_project("eve/other").project == "eve/other"


def test_fsck_finds_damage(repo: art.Repository, directory: Path) -> None:
    repo.write("a", "some bytes")
    assert repo.fsck(full=True)
    for pack in Path(repo.directory).rglob("*.tar.zst"):
        pack.chmod(0o600)
        pack.write_bytes(pack.read_bytes()[:-40])
    result = repo.fsck(full=True)
    assert not result and result.defect_count > 0


def test_progress_is_reported_and_a_callback_can_stop(
    repo: art.Repository, directory: Path
) -> None:
    (directory / "large.bin").write_bytes(b"x" * 3_000_000)
    seen: list[art.Progress] = []
    repo.upload("large.bin", progress=seen.append)
    assert seen and all(step.unit in ("bytes", "items") for step in seen)

    def stop(step: art.Progress) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError):
        repo.upload("large.bin", to="again.bin", progress=stop)
    assert repo.fsck()
