"""The exceptions of `artvcs`: one base class, and a class for each kind of error.

```python
>>> import artvcs as art
>>> repo = art.init("work")
>>> try:
...     repo.versions.get("v9")
... except art.NotFoundError as error:
...     print(error.kind, error.exit_code)
not_found 1

```
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AlreadyExistsError",
    "ArtError",
    "CancelledError",
    "ConflictError",
    "CorruptError",
    "InternalError",
    "InvalidError",
    "LockedError",
    "NotARepositoryError",
    "NotFoundError",
    "PolicyError",
    "RefusedError",
    "UnauthorizedError",
    "UnavailableError",
    "UnsupportedError",
]


class ArtError(Exception):
    """An error of `artvcs`. `str()` has the message, the causes and the hint.

    Attributes:
        kind: The word for programs, the same as in the JSON output of the command.
        exit_code: The exit code of the command for this error.
        message: The failure, without the causes.
        hint: The next step, or `None`.
        causes: The messages of the causes, from the nearest to the root.
        result: For a `ConflictError`, the result of the call that stopped at a conflict.
    """

    kind: str = "internal"
    exit_code: int = 70
    result: Any = None

    def __init__(self, message: str, hint: str | None = None, causes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.causes = causes

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.hint, self.causes), {"result": self.result}

    def __str__(self) -> str:
        lines = [self.message, *(f"caused by: {cause}" for cause in self.causes)]
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


class NotFoundError(ArtError, FileNotFoundError):
    """The object does not exist."""

    kind = "not_found"
    exit_code = 1


class AlreadyExistsError(ArtError, FileExistsError):
    """The object to create already exists."""

    kind = "already_exists"
    exit_code = 1


class InvalidError(ArtError, ValueError):
    """An argument is not valid."""

    kind = "invalid"
    exit_code = 2


class NotARepositoryError(ArtError, FileNotFoundError):
    """The directory contains no repository."""

    kind = "not_a_repository"
    exit_code = 10


class LockedError(ArtError, TimeoutError):
    """Another process holds the lock. Trying again later can help."""

    kind = "locked"
    exit_code = 11


class UnauthorizedError(ArtError, PermissionError):
    """Permission was denied."""

    kind = "unauthorized"
    exit_code = 12


class ConflictError(ArtError):
    """A ref moved meanwhile, or two sides changed the same thing."""

    kind = "moved"
    exit_code = 13


class UnavailableError(ArtError, OSError):
    """A full disk or an unreachable store. Trying again later can help."""

    kind = "unavailable"
    exit_code = 14


class RefusedError(ArtError):
    """Refused because data would be lost."""

    kind = "refused"
    exit_code = 1


class PolicyError(ArtError):
    """Refused by a rule of the project, by a stage or by a hook."""

    kind = "policy"
    exit_code = 15


class CorruptError(ArtError):
    """Stored data is damaged."""

    kind = "corrupt"
    exit_code = 20


class UnsupportedError(ArtError, NotImplementedError):
    """Written by a newer version, or not possible on this system."""

    kind = "unsupported"
    exit_code = 1


class CancelledError(ArtError):
    """The operation was asked to stop, other than by Ctrl-C."""

    kind = "interrupted"
    exit_code = 130


class InternalError(ArtError, RuntimeError):
    """A bug in this program."""


_CLASSES: dict[str, type[ArtError]] = {
    one.kind: one
    for one in (
        NotFoundError,
        AlreadyExistsError,
        InvalidError,
        NotARepositoryError,
        LockedError,
        UnauthorizedError,
        ConflictError,
        UnavailableError,
        RefusedError,
        PolicyError,
        CorruptError,
        UnsupportedError,
        CancelledError,
        InternalError,
    )
}


def _make(kind: str, message: str, hint: str | None, causes: list[str]) -> ArtError:
    """Makes the exception for an error of the library."""
    if kind == "not_a_repository":
        hint = 'create a repository: art.init(), or open another one: art.repo("PATH")'
    return _CLASSES[kind](message, hint, tuple(causes))
