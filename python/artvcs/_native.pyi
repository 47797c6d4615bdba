"""The extension module: the verbs of the library. Private; use the functions of `artvcs`."""

from collections.abc import Callable, Mapping
from typing import Any, final

__all__ = ["Context", "__version__", "call", "error_kinds", "read", "verbs"]

__version__: str

@final
class Context:
    def __new__(
        cls,
        environ: Mapping[str, str],
        cwd: str,
        directory: str | None = None,
        project: str | None = None,
        command: str = "",
        hooks: bool = True,
    ) -> Context: ...

def call(
    context: Context,
    verb: str,
    options: dict[str, Any],
    data: bytes | None = None,
    progress: Callable[[str, int, int | None, str, bool], None] | None = None,
) -> Any: ...
def read(context: Context, rev: str, start: int, length: int) -> bytes: ...
def error_kinds() -> list[str]: ...
def verbs() -> list[str]: ...
