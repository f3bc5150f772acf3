"""Loads partitions one after the other, without an engine, as the examples do with one."""

from importlib import import_module
from typing import Any

from cleverreach_async.integrations.partition import PartitionJob
from cleverreach_async.integrations.results import add_reports

__all__ = ["main"]


def main() -> None:
    """Load them, and print the sum."""
    options: Any = import_module("options")  # in the folder of the examples
    arguments = options.read_arguments("plain")
    job = PartitionJob.of(
        connect=f"{arguments.shop}:make_client",
        journal=f"{arguments.shop}:open_journal",
        group_id=options.prepare(arguments),
        job=arguments.job,
        strategy="upsertplus",
        remedy="Pass the same rows",
        settle=arguments.settle,
    )
    step = arguments.rows // arguments.partitions
    report = add_reports(
        job.load(number, options.customers(number * step, (number + 1) * step, bad_every=0)).report
        for number in range(arguments.partitions)
    )
    line = f"{report.read} read, {report.accepted} accepted, {report.rejected} rejected"
    print(line)  # noqa: T201 - as the examples


if __name__ == "__main__":
    main()
