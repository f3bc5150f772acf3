"""Load customers with their orders from Spark, on this machine, against a sandbox.

``cleverreach sandbox --rate 20 --max-in-flight 4 --outage 5:10`` in one terminal, the variables
that it prints in another, and there: ``python spark_load.py``.
"""

from options import customers, prepare, read_arguments
from pyspark.sql import SparkSession

from cleverreach_async.integrations.results import ResultFolder
from cleverreach_async.integrations.spark import CleverReachDataSource


def main() -> None:
    """Load them, and show what was rejected."""
    arguments = read_arguments("spark")
    # A task is repeated three times, also on this machine.
    spark = (
        SparkSession.builder.master("local[2,4]").config("spark.ui.enabled", False).getOrCreate()
    )
    spark.dataSource.register(CleverReachDataSource)
    rows = spark.createDataFrame(customers(0, arguments.rows, bad_every=arguments.bad_every))
    (
        rows.repartition(arguments.partitions, "email")
        .write.format("cleverreach")
        .options(
            connect=f"{arguments.shop}:make_client",
            journal=f"{arguments.shop}:open_journal",
            group_id=prepare(arguments),
            job=arguments.job,
            results=arguments.results,
            settle=arguments.settle,
        )
        .mode("append")
        .save()
    )
    folder = ResultFolder(arguments.results, arguments.job)
    report = folder.report()
    print(f"{report.read} read, {report.accepted} accepted, {report.rejected} rejected")
    if report.rejected:
        spark.createDataFrame(folder.rejects()).select("email", "reject_code").show(3)


if __name__ == "__main__":
    main()
