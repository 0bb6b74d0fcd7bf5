"""Sealed checkpoints: what is believed of a store that nobody can trust."""
