"""Principals: who acts, for whom, under which warrants, and what was stopped."""
