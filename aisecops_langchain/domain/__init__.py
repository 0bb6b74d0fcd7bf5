"""Frozen vocabulary of the governance layer: labels, calls, plans, decisions, permits, effects and events.

Invariant: nothing here performs I/O, reads a clock or holds mutable state; every other room speaks in these types.
"""
