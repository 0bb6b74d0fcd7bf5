"""The ``aisecops`` command: reads logs and policies, shows them to people and to programs, and enforces nothing.

Invariant: importing this package loads no command; each command loads only what it needs when it is invoked.
"""
