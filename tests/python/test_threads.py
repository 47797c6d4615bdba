"""Threads and signals: other threads continue during a call, and Ctrl-C leaves the old state."""

from __future__ import annotations

import _thread
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import artvcs as art
import pytest


def test_writers_of_one_run_on_many_threads_lose_nothing(repo: art.Repository) -> None:
    with repo.run("train") as run, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: run.write(f"{number}.txt", str(number)), range(12)))
    assert len(run.snapshot.ls()) == 12
    assert repo.fsck(full=True)


def test_other_threads_continue_during_a_call(repo: art.Repository, directory: Path) -> None:
    (directory / "large.bin").write_bytes(bytes(range(256)) * 100_000)
    counted, stop = [0], threading.Event()

    def count() -> None:
        while not stop.is_set():
            counted[0] += 1
            stop.wait(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    before = counted[0]
    repo.upload("large.bin")
    stop.set()
    thread.join()
    assert counted[0] > before


def test_ctrl_c_stops_a_call_and_leaves_the_old_state(
    repo: art.Repository, directory: Path
) -> None:
    repo.write("a.txt", "old")
    before = repo.at("HEAD").commit
    for number in range(100):
        (directory / f"{number}.bin").write_bytes(os.urandom(1_000_000))

    def interrupt(step: art.Progress) -> None:
        _thread.interrupt_main()

    with pytest.raises(KeyboardInterrupt):
        repo.upload(".", progress=interrupt)
    assert repo.at("HEAD").commit == before
    assert repo.fsck(full=True)
