"""Runs: how they start, how they end, and what they record."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import artvcs as art
import pytest


def script(text: str, *, check: bool = False) -> subprocess.CompletedProcess[str]:
    """Runs a script in a new interpreter."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)],
        capture_output=True,
        text=True,
        check=check,
        timeout=120,
    )


def test_a_block_that_is_done_succeeds(repo: art.Repository) -> None:
    with repo.run("train", description="first", tags="gpu, fast") as run:
        info = run.info
        assert (info.status, info.current, info.finished_at) == ("running", True, None)
        assert info.command == sys.orig_argv
        assert art.current_run() is run
    info = run.info
    assert (info.status, info.exit_code, info.signal) == ("succeeded", 0, None)
    assert info.tags == ["fast", "gpu"] and info.description == "first"
    assert info.finished_at is not None and info.user == "ada"
    assert art.current_run() is None


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("raise ValueError('x')", (1, "failed", 1, None)),
        ("sys.exit(7)", (7, "failed", 7, None)),
        ("sys.exit()", (0, "succeeded", 0, None)),
        ("sys.exit('text')", (1, "failed", 1, None)),
        ("raise KeyboardInterrupt", (-2, "stopped", None, "SIGINT")),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)", (143, "stopped", None, "SIGTERM")),
        ("os.kill(os.getpid(), signal.SIGINT); time.sleep(30)", (-2, "stopped", None, "SIGINT")),
        ("os._exit(3)", (3, "running", None, None)),
    ],
)
def test_a_run_ends_as_its_block_ends(
    repo: art.Repository, statement: str, expected: tuple[int, str, int | None, str | None]
) -> None:
    done = script(
        f"""
        import os, signal, sys, time
        import artvcs as art
        with art.run("train"):
            {statement}
        """
    )
    info = repo.get_run("train").info
    assert (done.returncode, info.status, info.exit_code, info.signal) == expected, done.stderr


def test_a_script_that_runs_three_times_makes_three_runs(repo: art.Repository) -> None:
    for _ in range(3):
        script("import artvcs as art\nwith art.run('train'): pass", check=True)
    assert sorted(run.name for run in repo.runs()) == ["train", "train-2", "train-3"]
    with pytest.raises(art.AlreadyExistsError):
        repo.run("train", exact=True)


def test_a_run_without_a_block_ends_with_the_script(repo: art.Repository) -> None:
    script("import artvcs as art\nart.run('good')", check=True)
    script("import artvcs as art\nart.run('bad')\nraise ValueError")
    assert repo.get_run("good").info.status == "succeeded"
    assert repo.get_run("bad").info.status == "failed"


def test_other_processes_are_part_of_the_run(repo: art.Repository, directory: Path) -> None:
    (directory / "a.txt").write_text("1")
    with repo.run("train") as run:
        assert os.environ["ART_RUN"] == "train"
        subprocess.run([art.find_art_bin(), "upload", "a.txt"], check=True, capture_output=True)
        script(
            """
            import artvcs as art
            with art.run("ignored", tags=["worker"]) as run:
                assert run.name == "train"
                run.write("b.txt", "2")
            """,
            check=True,
        )
        assert run.info.status == "running"
    assert "ART_RUN" not in os.environ
    assert [info.path for info in run.snapshot.ls()] == ["a.txt", "b.txt"]
    assert run.info.tags == ["worker"]


def test_the_inner_run_is_the_current_run(repo: art.Repository) -> None:
    with repo.run("outer") as outer:
        with repo.run("inner") as inner:
            assert repo.write("a", "1").run == "inner"
            assert os.environ["ART_RUN"] == inner.name
        assert repo.write("a", "1").run == outer.name
        assert os.environ["ART_RUN"] == outer.name


def test_params_and_metrics_keep_their_types(repo: art.Repository) -> None:
    with repo.run("train") as run:
        run.log(params={"lr": 0.1, "layers": [3, 4], "name": "base"}, metrics={"loss": 2})
        run.log(metrics={"loss": 1.5, "best": True})
        for value in (None, float("nan"), object()):
            with pytest.raises(art.InvalidError):
                run.log(metrics={"loss": value})
    expected = {
        "params": {"lr": 0.1, "layers": [3, 4], "name": "base"},
        "metrics": {"loss": 1.5, "best": True},
    }
    assert run.summary() == expected
    assert type(run.summary()["metrics"]["best"]) is bool
    import json

    assert json.loads(run.snapshot.read_bytes("summary.json")) == expected


def test_artifacts_are_named_with_their_origin(repo: art.Repository, directory: Path) -> None:
    repo.write("set.csv", "1,2")
    repo.versions.register("sets-v1")
    (directory / "weights.bin").write_bytes(b"0.1")
    with repo.run("train", outputs=["weights.bin"]) as run:
        with pytest.raises(art.NotFoundError):
            run.log_artifact_ref("weights.bin")
        entry = run.log_artifact("weights.bin", "weights", kind="model", summary={"acc": 0.9})
        assert (entry.name, entry.kind, entry.summary) == ("weights", "model", {"acc": 0.9})
        used = run.log_artifact_ref(
            None, "train-set", kind="dataframe", is_input=True, origin="ada/digits:sets-v1"
        )
        assert used.is_input and used.origin == "ada/digits:sets-v1"
        version = run.promote_to_artifact_version("rc1", tags=["c"], artifacts=["weights"])
    assert version.artifacts == ["weights"] and version.run == "train"
    assert [entry.name for entry in run.lineage()] == ["weights", "train-set"]


def test_a_renamed_run_keeps_its_handle(repo: art.Repository) -> None:
    with repo.run("train") as run:
        run.update(name="better", add_tags="a,b", description="new")
        run.log_tags(["c"], reset=True)
        assert (run.name, os.environ["ART_RUN"]) == ("better", "better")
    assert (run.info.status, run.info.tags) == ("succeeded", ["c"])
    assert repo.get_run("better").info.description == "new"
    with pytest.raises(art.NotFoundError):
        repo.get_run("train")


def test_the_handler_of_sigterm_is_put_back(repo: art.Repository) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with repo.run():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
