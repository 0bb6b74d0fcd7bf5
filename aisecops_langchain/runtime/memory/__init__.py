"""Long-term memory: what was written last, the seal that it lies under, and who may touch it."""
