"""Each test and each example runs in a directory of its own, with a fixed user and no settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import artvcs as art
import pytest


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory of the test."""
    for name in ("ART_RUN", "ART_DIR", "ART_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USER", "ada")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    work = tmp_path / "cwd"
    work.mkdir()
    monkeypatch.chdir(work)
    yield work


@pytest.fixture
def repo(directory: Path) -> art.Repository:
    """An empty repository in the working directory."""
    return art.init(".", project="ada/digits")
