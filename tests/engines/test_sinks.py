"""The sinks refuse mistakes before an engine begins. None is started here."""

import pickle
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from cleverreach_async import ConfigurationError, ImportReport
from cleverreach_async.integrations.engines import import_engine
from cleverreach_async.integrations.results import PartitionResult

SHOP: dict[str, Any] = {"connect": "shop.cr:make", "group_id": 7, "job": "nightly"}
OF_SPARK = {**SHOP, "group_id": "7", "results": "results"}


def sink_of(engine: str, module: str) -> Any:
    """Return the module of a sink; skipped if its engine is not installed."""
    pytest.importorskip(engine)
    return import_module(f"cleverreach_async.integrations.{module}")


def test_a_missing_engine_names_its_extra() -> None:
    """Instead of a ModuleNotFoundError that names a package of the engine."""
    message = r"no_such_engine cannot be imported .* pip install 'cleverreach-async\[ray\]'"
    with pytest.raises(ConfigurationError, match=message):
        import_engine("no_such_engine", "ray")


def schema(*names: str) -> Any:
    """A schema as Spark and pyarrow show it."""
    return SimpleNamespace(names=[*names], fieldNames=lambda: [*names])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"results": None}, "option results is missing"),
        ({"connect": None}, "option connect is missing"),
        ({"strategy": "insert"}, "insert rejects what an earlier attempt"),
        ({"batch_size": "many"}, "batch_size"),
        ({"rejects": "x"}, "unknown option rejects"),
        ({"mapping": '{"Orders": "-"}'}, ""),
        ({"journal": "shop.cr:open"}, ""),
        ({}, "column 'orders' contains orders"),
    ],
)
def test_spark_checks_options_on_the_driver(change: dict[str, Any], message: str) -> None:
    """They are text, whatever they mean."""
    spark = sink_of("pyspark", "spark")
    options = {name: it for name, it in {**OF_SPARK, **change}.items() if it is not None}
    source = spark.CleverReachDataSource(options)
    assert "cleverreach" == source.name()
    if not message:
        writer = source.writer(schema("email", "orders"), overwrite=False)
        assert isinstance(pickle.loads(pickle.dumps(writer)), spark.CleverReachWriter)  # noqa: S301 - our own
        return
    with pytest.raises(ConfigurationError, match=message):
        source.writer(schema("email", "orders"), overwrite=False)


def test_spark_does_not_overwrite() -> None:
    """The mode would promise that the group has only these rows."""
    spark = sink_of("pyspark", "spark")
    with pytest.raises(ConfigurationError, match="nothing is removed from a group"):
        spark.CleverReachDataSource(OF_SPARK).writer(schema("email"), overwrite=True)


def test_spark_checks_the_sum() -> None:
    """On the driver, when all tasks have ended; empty partitions count as well."""
    spark = sink_of("pyspark", "spark")
    writer = spark.CleverReachDataSource(OF_SPARK).writer(schema("email"), overwrite=False)
    good = spark.CommittedPartition(PartitionResult.empty(0))
    wrong = PartitionResult(partition="1", report=ImportReport(read=2, accepted=1))
    writer.commit([good, None])
    with pytest.raises(AssertionError, match="2 rows were read, but 1"):
        writer.commit([good, spark.CommittedPartition(wrong)])


def test_ray_checks_columns_on_the_driver() -> None:
    """As soon as the first block is known; a dataset without schema is checked in the tasks."""
    ray = sink_of("ray", "ray")
    sink: Any = ray.CleverReachSink(**SHOP)
    sink.on_write_start(None)
    sink.on_write_start(schema("email"))
    with pytest.raises(ConfigurationError, match="column 'orders' contains orders"):
        sink.on_write_start(schema("email", "orders"))
    assert not sink.report
    sink.on_write_complete(SimpleNamespace(write_returns=[PartitionResult.empty(0)]))
    assert (ImportReport(), None) == (sink.report, sink.rejects)
    assert b"make" in pickle.dumps(sink)


def test_dlt_checks_arguments_at_once() -> None:
    """Before rows are extracted."""
    dlt = sink_of("dlt", "dlt")
    assert "cleverreach" == dlt.cleverreach(**SHOP, results="results").destination_name
    with pytest.raises(ConfigurationError, match="pass a folder that all workers reach"):
        dlt.cleverreach(**SHOP, results="")
    with pytest.raises(ConfigurationError, match="unknown option rejects"):
        dlt.cleverreach(**SHOP, results="results", rejects="x")
