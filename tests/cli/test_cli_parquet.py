"""Apache Spark gives the answers of one machine; a real Spark with two workers runs here."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from cli_logs import KEY, Run
from drift_kit import BUNDLE, bundle, event, request
from trace_factory import allowed_story, governed_story

from aisecops_langchain.audit import AuditLog
from aisecops_langchain.domain.labels import Integrity, Label, Source, SourceKind

pytest.importorskip("pyspark", reason="the extra 'spark' is not installed")
pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="Apache Spark needs Java")

AFTER = {
    **BUNDLE,
    "id": "after",
    "rules": [
        *BUNDLE["rules"],
        {"id": "tainted", "effect": "deny", "tools": ["pay"], "when": {"context.integrity": {"at_most": "untrusted"}}},
        {"id": "huge", "effect": "deny", "tools": ["pay"], "when": {"args.amount": {"gt": 700}}},
    ],
}


@pytest.fixture
def spark(tmp_path: Path) -> Iterator[None]:
    """A small session; the commands take the one that is there. One test uses it, since each start is dear."""
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")  # compiles less: it lives shortly
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        session = (
            SparkSession.builder.master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.sql.shuffle.partitions", "3")
            .config("spark.sql.codegen.wholeStage", "false")
            .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
            .config("spark.sql.warehouse.dir", str(tmp_path / "warehouse"))
            .config("spark.local.dir", str(tmp_path / "spark"))
            .getOrCreate()
        )
        yield
        session.stop()


def decided(number: int):
    """One decision in one of 40 runs that each read a document of their own; some hide what they paid."""
    source = Source(kind=SourceKind.MEMORY, name="notes", digest=f"sha256:{number % 40:064x}")
    context = Label(
        integrity=Integrity.UNTRUSTED if number % 3 else Integrity.USER,
        confidentiality="internal",
        sources=frozenset({source}),
    )
    asked = request(amount=number % 11 * 90, text=f"number {number}").model_copy(update={"context": context})
    hide = ("amount",) if number % 13 == 0 else ("text",) if number % 7 == 0 else ()
    return event(asked, bundle(), trace=f"run-{number % 40:02}", hide=hide, number=number)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two segments with runs that are whole, paused and cut, and decisions that both of them recorded."""
    paused = [item for item in governed_story("trace-3").events if item.kind != "run_finished"]
    decisions = [decided(number) for number in range(400)]
    for part in (
        [*governed_story("trace-1").events, *decisions[:300], *paused],
        [*decisions[250:], *allowed_story("trace-2").events, *governed_story("trace-1").events[:5]],
    ):
        with AuditLog.open(tmp_path / "log", key=KEY) as writer:
            for item in part:
                writer.append(item)
    return tmp_path / "log"


@pytest.fixture
def parquet(log: Path, tmp_path: Path, run: Run) -> Path:
    done = run("parquet", "export", log, tmp_path / "parquet")
    assert done.exit_code == 0, done.output
    return tmp_path / "parquet"


def test_spark_answers_as_one_machine_does(spark: None, log: Path, parquet: Path, tmp_path: Path, run: Run) -> None:
    assert_the_same_drift(log, parquet, tmp_path, run)
    assert_the_same_runs(log, parquet, run)
    assert_refused_unless_whole(parquet, tmp_path, run)


def assert_the_same_drift(log: Path, parquet: Path, tmp_path: Path, run: Run) -> None:
    before, after = tmp_path / "before.yaml", tmp_path / "after.yaml"
    before.write_bytes(orjson.dumps(BUNDLE))
    after.write_bytes(orjson.dumps(AFTER))
    options = ("--policy", before, "--policy", after, "--recorded", before, "--fail-on", "newly-denied", "--json")
    one, many = run("drift", log, *options), run("parquet", "drift", parquet.as_uri(), *options)
    assert one.exit_code == many.exit_code == 1, many.output
    alone, spread = orjson.loads(one.stdout), orjson.loads(many.stdout)
    assert spread.pop("caveats") == ["the Parquet files were not verified, the log was when they were written"]
    assert alone.pop("caveats") == []
    assert alone["log"]["events"] == spread["log"]["events"]
    assert (alone.pop("log")["path"], spread.pop("log")["path"]) == (str(log), parquet.as_uri())
    assert spread == alone
    lines = [orjson.loads(line) for file in log.glob("*.jsonl") for line in file.read_bytes().splitlines()]
    assert alone["decisions"] == len({line["id"] for line in lines if line["kind"] == "decision_made"}) > 400
    assert alone["bundles"][1]["changed"]["newly_denied"] > 0


def assert_the_same_runs(log: Path, parquet: Path, run: Run) -> None:
    from aisecops_langchain.forensics.spark import open_parquet, overview_of_parquet
    from aisecops_langchain.forensics.sql import overview_of_log

    rows = overview_of_parquet(open_parquet(str(parquet)))
    assert rows == overview_of_log(log)
    outcomes = {row.trace: row.outcome for row in rows if row.trace.startswith("trace")}
    assert outcomes == {"trace-1": "completed", "trace-2": "completed", "trace-3": "unfinished"}
    told = orjson.loads(run("parquet", "summary", parquet, "--json").stdout)
    assert [(item["trace"], item["events"]) for item in told["traces"]] == [(row.trace, row.events) for row in rows]
    assert "were not verified" in told["note"]


def assert_refused_unless_whole(parquet: Path, tmp_path: Path, run: Run) -> None:
    file = next(parquet.rglob("*.parquet"))
    shutil.copy(file, file.with_name("again.parquet"))
    twice = run("parquet", "summary", parquet)
    assert twice.exit_code == 2
    assert "not those of the manifest" in twice.output
    file.with_name("again.parquet").unlink()
    file.unlink()
    assert run("parquet", "summary", parquet).exit_code == 2
    nowhere = run("parquet", "summary", tmp_path / "nowhere")
    assert nowhere.exit_code == 2
    assert "cannot be read by Spark" in nowhere.output


def test_a_log_that_does_not_verify_is_not_exported(log: Path, tmp_path: Path, run: Run) -> None:
    segment = min(log.glob("*.jsonl"))
    segment.write_bytes(segment.read_bytes().replace(b"clerk", b"clerq", 1))
    done = run("parquet", "export", log, tmp_path / "parquet")
    assert done.exit_code == 1
    assert "DOES NOT VERIFY" in done.output
    assert not (tmp_path / "parquet").exists()
