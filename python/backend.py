"""The build backend: maturin, after cargo has built the program `art` for the wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

import maturin

SCRIPTS = os.path.join("target", "wheel-data", "scripts")

get_requires_for_build_wheel = maturin.get_requires_for_build_wheel
get_requires_for_build_editable = maturin.get_requires_for_build_editable
get_requires_for_build_sdist = maturin.get_requires_for_build_sdist


def _profile(settings: Mapping[str, Any] | None) -> str:
    words = str((settings or {}).get("build-args", "")).replace("=", " ").split()
    return words[words.index("--profile") + 1] if "--profile" in words else "release"


def _build_program(settings: Mapping[str, Any] | None) -> None:
    profile = _profile(settings)
    command = ["cargo", "build", "--locked", "--bin", "art", "--profile", profile]
    subprocess.run(command, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    built = os.path.join(target, "debug" if profile == "dev" else profile, "art")
    shutil.copy2(built, os.path.join(SCRIPTS, "art"))


def prepare_metadata_for_build_wheel(directory: str, settings: Any = None) -> Any:  # noqa: D103
    os.makedirs(SCRIPTS, exist_ok=True)
    return maturin.prepare_metadata_for_build_wheel(directory, settings)


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(directory: str, settings: Any = None, metadata: Any = None) -> Any:  # noqa: D103
    os.makedirs(SCRIPTS, exist_ok=True)
    _build_program(settings)
    return maturin.build_wheel(directory, settings, metadata)


def build_editable(directory: str, settings: Any = None, metadata: Any = None) -> Any:  # noqa: D103
    os.makedirs(SCRIPTS, exist_ok=True)
    _build_program(settings)
    return maturin.build_editable(directory, settings, metadata)


def build_sdist(directory: str, settings: Any = None) -> Any:  # noqa: D103
    os.makedirs(SCRIPTS, exist_ok=True)
    return maturin.build_sdist(directory, settings)
