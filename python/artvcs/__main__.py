"""`python -m artvcs` is the `art` program."""

import os
import sys

from ._bin import find_art_bin

if __name__ == "__main__":
    program = find_art_bin()
    os.execv(program, [program, *sys.argv[1:]])
