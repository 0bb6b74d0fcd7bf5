"""Runs the ``aisecops`` command as ``python -m aisecops_langchain``, or as a file that ``spark-submit`` is given.

Invariant: the same command, whatever starts it.
"""

from __future__ import annotations

from aisecops_langchain.cli.main import main

if __name__ == "__main__":
    main()
