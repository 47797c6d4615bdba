"""Snapshots: listing, reading ranges, seekable files."""

from __future__ import annotations

import io
import random
from pathlib import Path

import artvcs as art
import pytest


def test_ranges_and_seeks_return_the_bytes_of_the_file(
    repo: art.Repository, directory: Path
) -> None:
    source = random.Random(7)
    data = source.randbytes(6_000_000)
    (directory / "large.bin").write_bytes(data)
    repo.upload("large.bin")
    snapshot = repo.at("HEAD")
    assert snapshot.info("large.bin").size == len(data)
    with snapshot.open("large.bin", buffering=4096) as file:
        assert file.seekable() and file.readable() and not file.writable()
        for _ in range(20):
            start, length = source.randrange(len(data)), source.randrange(300_000)
            assert file.seek(start) == start
            assert file.read(length) == data[start : start + length]
            assert snapshot.read_bytes("large.bin", start, 50) == data[start : start + 50]
        file.seek(-3, io.SEEK_END)
        assert file.read() == data[-3:]
        assert file.read() == b""
    assert snapshot.read_bytes("large.bin") == data


def test_text_files_are_read_by_lines(repo: art.Repository) -> None:
    repo.write("notes.txt", "eins\nzwei\ndrei ü\n")
    with repo.at("HEAD").open("notes.txt", "r") as file:
        assert list(file) == ["eins\n", "zwei\n", "drei ü\n"]
    with pytest.raises(ValueError, match="read-only"):
        repo.at("HEAD").open("notes.txt", "wb")  # type: ignore[call-overload]


def test_a_snapshot_keeps_its_commit_while_the_run_moves_on(repo: art.Repository) -> None:
    repo.write("a/b.txt", "old")
    snapshot = repo.at("HEAD")
    repo.write("a/b.txt", "new")
    assert snapshot.read_text("a/b.txt") == "old"
    narrowed = snapshot / "a"
    assert (narrowed.path, narrowed.read_text("b.txt")) == ("a", "old")
    assert [info.path for info in snapshot.ls()] == ["a"]
    assert [info.kind for info in narrowed.ls()] == ["file"]
    assert narrowed.exists("b.txt") and not narrowed.exists("c.txt")
    with pytest.raises(art.NotFoundError):
        snapshot.info("nothing")
    with pytest.raises(art.InvalidError):
        snapshot.read_bytes("a")


def test_a_part_of_a_snapshot_is_downloaded(repo: art.Repository, directory: Path) -> None:
    repo.write("a/b.txt", "1")
    repo.write("c.txt", "2")
    assert repo.at("HEAD").download("all", paths=["c.txt"]).written == 1
    assert not (directory / "all/a").exists()
    assert (repo.at("HEAD") / "a").download("part").written == 1


def test_files_of_any_size_can_be_read(repo: art.Repository) -> None:
    repo.write("empty", b"")
    snapshot = repo.at("HEAD")
    assert snapshot.read_bytes("empty") == b""
    with snapshot.open("empty") as file:
        assert file.read() == b""
