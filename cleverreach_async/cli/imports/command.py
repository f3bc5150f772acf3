"""``cleverreach import`` and ``cleverreach retry-rejects``: send the rows of a file to a group."""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial

from cleverreach_async.bulk.attributes.definitions import Definitions
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.bulk.intake.valid_addresses import is_address
from cleverreach_async.bulk.outcomes.checkpoint import OnAccepted, noop
from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.bulk.run import ImportRun
from cleverreach_async.bulk.strategies import StrategyName
from cleverreach_async.cli.confirmation import check_yes, confirm
from cleverreach_async.cli.connection import connect, run, signals_ignored
from cleverreach_async.cli.credentials import Access
from cleverreach_async.cli.imports.account_check import AccountCheck
from cleverreach_async.cli.imports.arguments import Arguments
from cleverreach_async.cli.imports.consent import announce
from cleverreach_async.cli.imports.contents import show_attributes, show_mapping, survey
from cleverreach_async.cli.imports.destination import (
    converted_to,
    plan_destination,
)
from cleverreach_async.cli.imports.dry_run import check_rows
from cleverreach_async.cli.imports.ending import finish_import
from cleverreach_async.cli.imports.http_library import opened_client
from cleverreach_async.cli.imports.job import Job
from cleverreach_async.cli.imports.opt_in import OptInMails, look_up_form
from cleverreach_async.cli.imports.paths import check_files, no_empty_rejects
from cleverreach_async.cli.imports.progress import make_display
from cleverreach_async.cli.options import AccountOptions
from cleverreach_async.cli.output import Output
from cleverreach_async.cli.signals import ImportInterrupts
from cleverreach_async.client import CleverReach
from cleverreach_async.errors import ConfigurationError, ImportFailedError
from cleverreach_async.resources.groups import Group
from cleverreach_async.sources.rows import SourceRow

__all__ = ["import_file"]


def import_file(arguments: Arguments, account: AccountOptions, output: Output) -> int:
    """Import a file and return the exit status.

    Args:
        arguments: The command line.
        account: The account.
        output: Where to print.

    Raises:
        CleverReachError: The import did not begin.
    """
    send = arguments.send
    is_offline = send.dry_run and not send.check_account
    access = None if is_offline else account.access(output)
    if access is None and send.resume:
        raise ConfigurationError(
            "--resume cannot be used with --sandbox, which is empty at each start; cleverreach"
            " sandbox --store FILE keeps its data"
        )
    if access is not None and send.strategy == "delete" and not send.dry_run:
        check_yes(output, "--strategy delete", yes=send.yes)
    job = _prepare(arguments, output)
    interrupts = ImportInterrupts(output)
    work = partial(_send, job, access, interrupts)
    if send.dry_run:
        work = partial(check_rows, job) if is_offline else partial(_check, job, access)
    error: ImportFailedError | None = None
    try:
        with no_empty_rejects(arguments):
            job.report = run(work, interrupts=interrupts)
    except ImportFailedError as failed:
        error, job.report = failed, failed.report
    except KeyboardInterrupt:
        pass
    # An impatient user presses Ctrl-C again, and a terminal that is closed sends several signals.
    with signals_ignored(interrupts.signals):
        return finish_import(job, error, interrupts.caught)


def _prepare(arguments: Arguments, output: Output) -> Job:
    """Check the files, and print what will be imported."""
    source = arguments.reader.read(arguments.content, check_consent=arguments.check_consent)
    check_files(arguments)
    show_mapping(output, source)
    for remark in arguments.reader.remarks(source):
        output.info(remark)
    contents = survey(source)
    show_attributes(output, source, contents)
    job = Job(arguments, output, source, contents)
    if arguments.send.strategy == "delete":
        output.warn("the receivers in this file will be removed from the group")
    else:
        announce(output, job.consent)
    return job


async def _check(job: Job, access: Access | None) -> ImportReport:
    """Check the rows, and the account with them."""
    _announce_server(job.output, access)
    job.account_check = check = AccountCheck(job.arguments.group)
    async with connect(access) as client:
        await check.begin(client, job.arguments, _wanted(job))
        report = await check_rows(job)
        await check.finish()
    return report


def _announce_server(output: Output, access: Access | None) -> None:
    if access is None:
        output.info("sandbox: nothing leaves this computer, and no data is kept")
    else:
        output.info(f"connecting to {access.host}")


def _wanted(job: Job) -> Definitions:
    """Return the attributes that the account must have; deleting needs none."""
    return Definitions() if job.arguments.send.strategy == "delete" else job.contents.attributes


async def _send(job: Job, access: Access | None, interrupts: ImportInterrupts) -> ImportReport:
    arguments, output = job.arguments, job.output
    _announce_server(output, access)
    async with (
        opened_client(arguments.send.http, arguments.content, access) as http_client,
        connect(access, http_client=http_client, on_event=job.on_event) as client,
    ):
        form = await look_up_form(client, arguments)
        await _prepare_destination(job, client)
        if job.destination is None:
            raise ConfigurationError("nobody was deleted")
        group_id = job.destination.group.id
        deliver = partial(_deliver, job, client, group_id, interrupts.watch)
        if form is None:
            return await deliver()
        if form.group_id not in {0, group_id}:
            output.warn(f"form {form.id} belongs to another group, {form.group_id}")
        job.opt_ins = OptInMails(form, arguments, group_id=group_id, output=output)
        return await job.opt_ins.run(
            client, deliver, should_stop=lambda: interrupts.caught is not None
        )


async def _prepare_destination(job: Job, client: CleverReach) -> None:
    """Find or create the group and the attributes, unless the user does not want to go on."""
    arguments, output = job.arguments, job.output
    deletes, wanted = arguments.send.strategy == "delete", _wanted(job)
    plan = await plan_destination(
        client,
        arguments.group,
        wanted,
        create=arguments.create,
        create_attributes=arguments.create_attributes,
    )
    if plan.group is None and arguments.send.resume:
        raise ConfigurationError(
            f"the account has no group {plan.name!r}, and the import of {arguments.send.journal}"
            " has begun in a group: check --group and the account. If that group was deleted, start"
            " again with another journal and without --resume"
        )
    converted = list(converted_to(wanted, plan.attributes.present))
    if converted:
        output.info(f"  converted to the types of the account: {', '.join(converted)}")
    if not deletes or plan.group is None or _confirm_deletion(job, plan.group):
        job.destination = await plan.carry_out(client, output)


def _confirm_deletion(job: Job, group: Group) -> bool:
    def question() -> str:
        emails = (row.receiver.email for row in job.source if isinstance(row, SourceRow))
        count = sum(type(email) is str and is_address(email) for email in emails)
        receivers = "1 receiver" if count == 1 else f"{count:,} receivers"
        return f"Delete the {receivers} of this file from {group.name} ({group.id})?"

    return confirm(job.output, question, yes=job.arguments.send.yes)


async def _deliver(
    job: Job,
    client: CleverReach,
    group_id: int,
    on_start: Callable[[ImportRun], None],
    on_accepted: OnAccepted = noop,
) -> ImportReport:
    arguments = job.arguments
    send = _batch_call(client.bulk, arguments.send.strategy)
    with ExitStack() as screen:

        def begin(run: ImportRun) -> None:
            # Not before: an import that is refused has no progress to show.
            job.display = screen.enter_context(make_display(job.output, job.source))
            on_start(run)

        # The job keeps the report, which is printed even if what follows is interrupted.
        job.report = await send(
            job.source,
            group_id=group_id,
            rejects=arguments.rejects,
            overwrite=arguments.overwrite,
            on_start=begin,
            on_progress=job.on_progress,
            on_accepted=on_accepted,
            **arguments.send.settings(),
        )
    return job.report


def _batch_call(bulk: Bulk, strategy: StrategyName) -> Callable[..., Awaitable[ImportReport]]:
    if strategy == "insert":
        return bulk.insert
    if strategy == "update":
        return bulk.update
    if strategy == "delete":
        return bulk.delete
    return partial(bulk.upsert, strategy=strategy)
