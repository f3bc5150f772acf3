"""Load customers with their orders by dlt, on this machine, against a sandbox.

``cleverreach sandbox --rate 20 --max-in-flight 4 --outage 5:10`` in one terminal, the variables
that it prints in another, and there: ``python dlt_load.py``. Started again after
a crash, it continues with the files of its load package.
"""

from collections.abc import Iterator
from typing import Any

import dlt
from options import customers, prepare, read_arguments

from cleverreach_async.integrations.dlt import cleverreach
from cleverreach_async.integrations.results import ResultFolder


def main() -> None:
    """Load them, and show what was rejected."""
    arguments = read_arguments("dlt")
    step = arguments.rows // arguments.partitions

    @dlt.resource(name="customers", file_format="parquet")
    def rows() -> Iterator[Any]:
        for number in range(arguments.partitions):
            yield customers(number * step, (number + 1) * step, bad_every=arguments.bad_every)

    destination = cleverreach(
        connect=f"{arguments.shop}:make_client",
        journal=f"{arguments.shop}:open_journal",
        group_id=prepare(arguments),
        job=arguments.job,
        results=arguments.results,
        settle=arguments.settle,
    )
    # One file for each partition.
    dlt.config["data_writer.file_max_items"] = step
    pipeline = dlt.pipeline(
        arguments.job, destination=destination, pipelines_dir=f"{arguments.results}/pipelines"
    )
    if pipeline.has_pending_data:
        pipeline.load()
    else:
        pipeline.run(rows())
    folder = ResultFolder(arguments.results, arguments.job)
    report = folder.report()
    print(f"{report.read} read, {report.accepted} accepted, {report.rejected} rejected")
    if report.rejected:
        print(folder.rejects().select(["email", "reject_code"]).slice(0, 3).to_pylist())


if __name__ == "__main__":
    main()
