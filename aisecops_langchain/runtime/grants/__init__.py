"""Standing grants: one yes that is good for later calls like it, within bounds, counted and revocable."""
