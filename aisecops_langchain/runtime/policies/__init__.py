"""Policies: which one is in force, and how another one comes into force."""
