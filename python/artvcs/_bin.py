"""The `art` program that the package installs."""

from __future__ import annotations

import os
import sysconfig


def find_art_bin() -> str:
    """Returns the path of the `art` program that was installed with this package.

    ```python
    >>> import artvcs as art, os
    >>> os.path.basename(art.find_art_bin())
    'art'

    ```
    """
    schemes = ["posix_prefix", "posix_user", "posix_home"]
    folders = [sysconfig.get_path("scripts")]
    folders += [
        sysconfig.get_path("scripts", scheme)
        for scheme in schemes
        if scheme in sysconfig.get_scheme_names()
    ]
    for folder in folders:
        path = os.path.join(folder, "art")
        if os.path.isfile(path):
            return path
    raise FileNotFoundError("the program 'art' is missing: install the package again")
