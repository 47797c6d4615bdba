"""Errors: a class for each kind, the exit codes of the command, and messages with hints."""

from __future__ import annotations

import pickle
import subprocess
from collections.abc import Callable

import artvcs as art
import pytest
from artvcs import _native, errors


def test_every_kind_of_error_has_a_class() -> None:
    assert set(_native.error_kinds()) == set(errors._CLASSES)
    for kind, one in errors._CLASSES.items():
        assert one.kind == kind
        assert one.__name__ in errors.__all__


def test_errors_are_also_builtin_errors_and_keep_their_parts_when_pickled() -> None:
    for one in errors._CLASSES.values():
        error = one("cannot read 'x'", "art fsck", ("no such file",))
        back = pickle.loads(pickle.dumps(error))
        assert (back.message, back.hint, back.causes) == (error.message, error.hint, error.causes)
        assert getattr(back, "errno", None) is None
        assert str(back) == "cannot read 'x'\ncaused by: no such file\nhint: art fsck"
    with pytest.raises(FileNotFoundError):
        art.repo(".")


def test_a_missing_repository_names_the_python_call(directory: object) -> None:
    with pytest.raises(art.NotARepositoryError) as caught:
        art.repo()
    assert caught.value.exit_code == 10
    assert "art.init()" in str(caught.value.hint)


def test_errors_have_the_exit_code_of_the_command(repo: art.Repository) -> None:
    repo.write("a", "1")
    repo.versions.register("v1")
    cases: list[tuple[Callable[[], object], list[str]]] = [
        (lambda: repo.versions.get("v9"), ["get", "v9"]),
        (lambda: repo.versions.register("v 1"), ["register", "v 1"]),
        (lambda: repo.versions.stage("v1", "nowhere"), ["stage", "v1", "nowhere"]),
        (
            lambda: repo.versions.stage("v1", "staging", expect="production"),
            ["stage", "v1", "staging", "--expect", "production"],
        ),
        (lambda: repo.tag("t", "HEAD~9"), ["tag", "t", "HEAD~9"]),
    ]
    for call, words in cases:
        with pytest.raises(art.ArtError) as caught:
            call()
        done = subprocess.run([art.find_art_bin(), *words], capture_output=True, check=False)
        assert done.returncode == caught.value.exit_code, (words, caught.value)


def test_wrong_arguments_are_refused_before_anything_happens(repo: art.Repository) -> None:
    with pytest.raises(TypeError):
        repo.upload("a", wrong=1)  # type: ignore[call-arg]
    with pytest.raises(art.InvalidError):
        repo.runs("no_such_field: 1")
