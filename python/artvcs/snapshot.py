"""A snapshot: the files of one commit, read-only.

```python
>>> import artvcs as art
>>> repo = art.init("work")
>>> _ = repo.write("data/notes.txt", "hello")
>>> snapshot = repo.at("HEAD")
>>> [info.path for info in snapshot.ls(recursive=True)]
['data/notes.txt']
>>> (snapshot / "data").read_text("notes.txt")
'hello'

```
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Any, Literal, overload

from . import _native
from ._calls import Place, ProgressCallback, StrPath, call, context
from .errors import NotFoundError
from .records import DownloadResult, FileInfo

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Snapshot"]


class Snapshot:
    """The files of one commit, of a run, version, tag or id. Made by `Repository.at`.

    A snapshot keeps its commit, also when the run or the version moves on.
    """

    __slots__ = ("_path", "_place", "_raw")

    def __init__(self, place: Place, raw: dict[str, Any], path: str = "") -> None:
        self._place, self._raw, self._path = place, raw, path

    @property
    def commit(self) -> str:
        """The id of the commit."""
        return str(self._raw["commit"])

    @property
    def project(self) -> str:
        """The project."""
        return str(self._raw["project"])

    @property
    def kind(self) -> str:
        """`run` or `version`."""
        return str(self._raw["kind"])

    @property
    def time(self) -> datetime:
        """When the commit was made."""
        from datetime import datetime

        return datetime.fromisoformat(self._raw["time"])

    @property
    def path(self) -> str:
        """The directory of the snapshot that paths start from; empty for the top."""
        return self._path

    def __repr__(self) -> str:
        return f"Snapshot(commit={self.commit[:12]!r}, path={self._path!r})"

    def __truediv__(self, path: str) -> Snapshot:
        """Narrows the snapshot to a directory in it."""
        return Snapshot(self._place, self._raw, self._join(path))

    def _join(self, path: str) -> str:
        return "/".join(part for part in (self._path, path.strip("/")) if part)

    def _rev(self, path: str) -> str:
        joined = self._join(path)
        return f"{self.commit}:{joined}" if joined else self.commit

    def ls(self, path: str = "", *, recursive: bool = False, sizes: bool = True) -> list[FileInfo]:
        """Lists a directory. With `recursive`, lists all files below it."""
        options = {"rev": self._rev(path), "recursive": recursive, "sizes": sizes}
        return [FileInfo(raw) for raw in call(self._place, "ls", options)]

    def info(self, path: str) -> FileInfo:
        """Returns the path, kind, mode, id and size of a file or link.

        Raises:
            NotFoundError: The path does not exist.
            InvalidError: The path is a directory.
        """
        return FileInfo(call(self._place, "find_file", {"rev": self._rev(path)}))

    def exists(self, path: str) -> bool:
        """Returns true if the snapshot has a file or directory at `path`."""
        try:
            self.ls(path, sizes=False)
        except NotFoundError:
            return False
        return True

    def read_bytes(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """Reads a file, or `length` bytes of it from `offset`. Every part is checked.

        Content that is only on a remote is fetched first.
        """
        count = 2**63 if length is None else length
        return _native.read(context(self._place), self._rev(path), offset, count)

    def read_text(self, path: str, encoding: str = "utf-8") -> str:
        """Reads a file as text."""
        return self.read_bytes(path).decode(encoding)

    @overload
    def open(
        self, path: str, mode: Literal["rb"] = "rb", *, buffering: int = 1 << 20
    ) -> io.BufferedReader: ...
    @overload
    def open(
        self,
        path: str,
        mode: Literal["r", "rt"],
        *,
        encoding: str | None = None,
        buffering: int = 1 << 20,
    ) -> io.TextIOWrapper: ...
    def open(
        self,
        path: str,
        mode: str = "rb",
        *,
        encoding: str | None = None,
        buffering: int = 1 << 20,
    ) -> IO[Any]:
        """Opens a file for reading. The file is seekable, and reads only the parts it needs.

        ```python
        >>> import artvcs as art
        >>> repo = art.init("work")
        >>> _ = repo.write("numbers.bin", bytes(range(100)))
        >>> with repo.at("HEAD").open("numbers.bin") as file:
        ...     _ = file.seek(-2, 2)
        ...     file.read()
        b'bc'

        ```
        """
        if mode not in ("r", "rt", "rb"):
            raise ValueError(f"a snapshot is read-only: the mode {mode!r} is not 'rb' or 'r'")
        raw = _SnapshotFile(context(self._place), self._rev(path), self.info(path).size or 0)
        file = io.BufferedReader(raw, buffering)
        return file if mode == "rb" else io.TextIOWrapper(file, encoding or "utf-8")

    def download(
        self,
        to: StrPath,
        *,
        paths: Iterable[str] = (),
        force: bool = False,
        progress: ProgressCallback | None = None,
    ) -> DownloadResult:
        """Writes the files to the directory `to`. See `Repository.download`."""
        from .repository import download

        rev = self._rev("")
        return download(self._place, rev, to, paths=paths, force=force, progress=progress)


class _SnapshotFile(io.RawIOBase):
    """The bytes of a file in a snapshot."""

    def __init__(self, surroundings: _native.Context, rev: str, size: int) -> None:
        super().__init__()
        self._context, self._rev, self._size, self._at = surroundings, rev, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"a position before the start of the file: {start + offset}")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if self._at >= self._size or not view:
            return 0
        data = _native.read(self._context, self._rev, self._at, len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
