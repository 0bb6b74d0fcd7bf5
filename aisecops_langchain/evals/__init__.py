"""Attack and utility suites that judge the governance layer with tasks nobody here wrote.

Invariant: nothing here decides or enforces; a suite goes through the same public ``govern`` that users call.
"""
