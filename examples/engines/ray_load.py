"""Load customers with their orders from Ray Data, on this machine, against a sandbox.

``cleverreach sandbox --rate 20 --max-in-flight 4 --outage 5:10`` in one terminal, the variables
that it prints in another, and there: ``python ray_load.py``.
"""

import ray
from options import customers, prepare, read_arguments

from cleverreach_async.integrations.ray import CleverReachSink


def main() -> None:
    """Load them, and show what was rejected."""
    arguments = read_arguments("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    step = arguments.rows // arguments.partitions
    parts = [
        customers(n * step, (n + 1) * step, bad_every=arguments.bad_every)
        for n in range(arguments.partitions)
    ]
    sink = CleverReachSink(
        connect=f"{arguments.shop}:make_client",
        journal=f"{arguments.shop}:open_journal",
        group_id=prepare(arguments),
        job=arguments.job,
        settle=arguments.settle,
    )
    ray.data.from_arrow(parts).write_datasink(sink)
    report = sink.report
    if report is not None:
        print(f"{report.read} read, {report.accepted} accepted, {report.rejected} rejected")
    if sink.rejects is not None:
        print(ray.data.from_arrow(sink.rejects).select_columns(["email", "reject_code"]).take(3))


if __name__ == "__main__":
    main()
