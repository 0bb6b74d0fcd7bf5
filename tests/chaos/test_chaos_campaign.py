"""A short campaign of kills on both ledgers, and proof that its judge is not blind; ``make chaos`` runs a long one."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from chaos_kit import Campaign
from chaos_verdict import judge

KILLS = 5


@pytest.mark.parametrize("durability", ["group", "sync"])
def test_killed_workers_do_nothing_twice_nothing_unrecorded_and_lose_no_approval(chaos, schema, tmp_path, durability):
    campaign = Campaign(tmp_path, schema, KILLS, seed=20260, durability=durability, batch=3)
    campaign.run(chaos)
    verdict = judge(campaign)
    assert verdict.violations == []
    assert verdict.figures["workers killed"] == KILLS
    assert verdict.figures["effects"] >= len(campaign.threads)
    assert verdict.figures["approvals carried out once"] > 0


@pytest.fixture
def quiet(chaos, tmp_path):
    """A campaign without kills."""
    campaign = Campaign(tmp_path, "", 0, seed=1, durability="group", batch=2)
    campaign.run(chaos)
    return campaign


def lines(campaign):
    return (campaign.root / "journal").read_text().splitlines()


def judged(campaign, *changed):
    (campaign.root / "journal").write_text("\n".join(changed) + "\n")
    return {violation.partition(":")[0] for violation in judge(campaign).violations}


def test_the_judge_sees_what_must_not_happen(quiet):
    """An effect twice, one that nobody permitted, one whose intent was not on disk, and one that never happened."""
    honest = lines(quiet)
    paid = next(line for line in honest if '"pay-1"' in line)
    no_permit = json.dumps({**json.loads(paid), "recipient": "nobody's"})
    assert judged(quiet, *honest) == set()
    assert "effects that happened twice" in judged(quiet, *honest, paid)
    assert judged(quiet, *honest, no_permit) >= {"effects without a durable intent", "effects without a permit"}
    volatile = [line.replace("true", "false") for line in honest]
    assert judged(quiet, *volatile) == {"effects without a durable intent"}
    without = [line for line in honest if line != paid]
    assert judged(quiet, *without) == {"approvals lost", "effects that ledger and world disagree on"}


def test_the_judge_sees_intents_that_nobody_waited_for(chaos, tmp_path):
    """With durability ``none`` no intent is on disk before its effect, and the tools themselves notice."""
    campaign = Campaign(tmp_path, "", 0, seed=1, durability="none", batch=1)
    campaign.run(chaos)
    assert {violation.partition(":")[0] for violation in judge(campaign).violations} == {
        "effects without a durable intent"
    }


def test_the_judge_sees_a_row_that_is_gone(quiet):
    with closing(sqlite3.connect(quiet.homes[0] / "ledger.sqlite3")) as attacker, attacker:
        attacker.execute(
            "DELETE FROM approvals WHERE key = (SELECT key FROM approvals WHERE state = 'consumed' LIMIT 1)"
        )
    verdict = judge(quiet)
    assert verdict.figures["rows that the ledger lacks"] == 1
    assert verdict.figures["rows that the logs tell of"] > 1
