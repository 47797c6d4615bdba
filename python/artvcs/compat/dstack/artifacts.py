"""Uploads and downloads, under the names of dstack's `artifacts`.

```python
>>> import artvcs as art, pathlib
>>> _ = art.init(".")
>>> pathlib.Path("datasets").mkdir()
>>> _ = pathlib.Path("datasets/set.csv").write_text("1,2")
>>> from artvcs.compat.dstack import artifacts
>>> artifacts.upload("datasets", tag="my_tag")
>>> artifacts.download(tag="my_tag", local_path="copy")
>>> pathlib.Path("copy/datasets/set.csv").read_text()
'1,2'

```
"""

from __future__ import annotations

from ... import InvalidError, repo

__all__ = ["download", "upload"]


def upload(local_path: str, artifact_path: str | None = None, tag: str | None = None) -> None:
    """Uploads a directory to the current run. With `tag`, tags the commit.

    Raises:
        AlreadyExistsError: The tag exists.
    """
    repo().upload(local_path, to=artifact_path, tag=tag)


def download(
    run: str | None = None,
    tag: str | None = None,
    artifact_path: str | None = None,
    local_path: str | None = None,
) -> None:
    """Writes the files of a run or a tag. Existing files with the same names are overwritten."""
    if (run is None) == (tag is None):
        raise InvalidError("give either a run or a tag")
    rev = f"run/{run}" if tag is None else f"tag/{tag}"
    paths = [] if artifact_path is None else [artifact_path]
    repo().download(rev, "." if local_path is None else local_path, paths=paths, force=True)
