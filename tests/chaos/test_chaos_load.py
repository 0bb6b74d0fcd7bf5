"""A small load on one PostgreSQL ledger; ``make load`` runs 64 workers and 10,000 effects."""

from __future__ import annotations

import os

import pytest
from chaos_kit import shared_schema
from load_kit import run_load

URL = os.environ.get("AISECOPS_TEST_POSTGRES_URL", "")


@pytest.mark.skipif(not URL, reason="AISECOPS_TEST_POSTGRES_URL names no PostgreSQL database")
def test_workers_that_race_for_effects_on_one_database_carry_each_out_once(tmp_path):
    """16 workers in 2 processes, 320 effects: some need a person, some are tried by two workers at once."""
    with shared_schema(URL) as schema:
        load = run_load(URL, schema, tmp_path, processes=2, threads=8, effects=320)
    assert load.violations == []
    assert len(load.latencies) == 320
    assert load.refused.total() == 32
