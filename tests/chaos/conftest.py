"""One server for all workers of these tests; importing the host takes longer than most of them."""

import os

import pytest
from chaos_kit import chaos_nursery, shared_schema


@pytest.fixture(scope="session")
def chaos():
    with chaos_nursery() as nursery:
        yield nursery


@pytest.fixture(params=["sqlite", "postgres"])
def schema(request):
    """A schema in the database, or none for a SQLite ledger."""
    if request.param == "sqlite":
        yield ""
        return
    url = os.environ.get("AISECOPS_TEST_POSTGRES_URL", "")
    if not url:
        pytest.skip("AISECOPS_TEST_POSTGRES_URL names no PostgreSQL database")
    with shared_schema(url) as name:
        yield name
