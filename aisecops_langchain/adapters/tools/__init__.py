"""Tools as the governor sees them: names, definitions, canonical arguments, declared effects."""
