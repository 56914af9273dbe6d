"""Commands about workflows and their runs, and what is asked of filters as a team would: funnel, forecast, overlap."""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

import typer

from app import companies, printing, queries, workflows
from app.asked import Kind
from app.audit_log import COMMAND_LINE, exported
from app.companies import Company
from app.database import Database
from app.settings import Settings
from app.terminal import (
    AsOf,
    Everyone,
    Filter,
    Level,
    OfCompany,
    Params,
    TableOrJson,
    opened,
    params_of,
    write_json,
)
from app.worker import Worker, limits_of
from app.workflows import Edited, Proposed, Starting, Workflow

Document = dict[str, Any]

commands = typer.Typer()
workflow_app = typer.Typer(help="Filters that are stored, and run.", no_args_is_help=True)
runs_app = typer.Typer(help="Audiences that were fixed.", no_args_is_help=True)
segment_app = typer.Typer(help="Named filters that others are built on.", no_args_is_help=True)
webhook_app = typer.Typer(help="Who is told of runs.", no_args_is_help=True)

commands.add_typer(workflow_app, name="workflow")
commands.add_typer(runs_app, name="runs")
commands.add_typer(segment_app, name="segment")
commands.add_typer(webhook_app, name="webhook")

OfWorkflow = Annotated[str, typer.Argument(metavar="WORKFLOW", help="its name, or its number")]
OfRun = Annotated[int, typer.Argument(metavar="RUN", help="its number", min=1)]
FilterOption = Annotated[str | None, typer.Option("--filter", metavar="FILTER", help="as one text")]
Customers = Annotated[str | None, typer.Option(metavar="FILTER", help="or in parts: conditions on customers")]
Groups = Annotated[str | None, typer.Option(metavar="FILTER", help="conditions on groups")]
Invoices = Annotated[str | None, typer.Option(metavar="FILTER", help="conditions that one invoice meets")]
Payments = Annotated[str | None, typer.Option(metavar="FILTER", help="conditions that one payment meets")]
RespectPauses = Annotated[
    bool | None, typer.Option("--respect-pauses/--ignore-pauses", help="hold back whose chasing is paused")
]
Limit = Annotated[int, typer.Option(help="rows shown", min=1, max=500)]


@contextmanager
def _of_company(name: str | None) -> Iterator[tuple[Database, Company]]:
    with opened(Settings()) as database:
        yield database, companies.chosen(database, name)


def _found(database: Database, company: Company, name: str) -> Workflow:
    with database.transaction(company.company_id) as connection:
        return workflows.named(connection, company, name)


def _parts(**given: str | None) -> Document | None:
    return {part: text for part, text in given.items() if text is not None} or None


def _day(as_of: str | None) -> date | None:
    return queries.Dated.model_validate({"filter": "", "as_of": as_of}).as_of


# ---------------------------------------------------------------- stored


@workflow_app.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    filter: FilterOption = None,
    customers: Customers = None,
    groups: Groups = None,
    invoices: Invoices = None,
    payments: Payments = None,
    level: Level = "customer",
    respect_pauses: RespectPauses = True,
    growth_factor: Annotated[str | None, typer.Option(help="beyond it a run must be confirmed")] = None,
    days: Annotated[str | None, typer.Option(metavar="mon,tue,…", help="run by itself on these days")] = None,
    start: Annotated[str, typer.Option("--from", metavar="HH:MM")] = "08:00",
    until: Annotated[str, typer.Option(metavar="HH:MM")] = "18:00",
    company: OfCompany = None,
    format: TableOrJson = "table",
) -> None:
    """Store a workflow.

    duelist workflow create 'Big and late' --invoices 'balance > 1000 AND days_overdue > 30' --payments 'amount > 500'
    """
    schedule = {"days": days.split(","), "from": start, "until": until} if days else None
    parts = _parts(customers=customers, groups=groups, invoices=invoices, payments=payments)
    edited = {
        "name": name, "filter": filter, "parts": parts, "level": level, "respect_pauses": respect_pauses,
        "growth_factor": growth_factor, "schedule": schedule,
    }  # fmt: skip
    body = Edited.model_validate(edited, strict=False)
    with _of_company(company) as (database, of):
        made = workflows.create(database, of, body, COMMAND_LINE)
    _shown(workflows.document(made, of), format)


@workflow_app.command("list")
def list_workflows(company: OfCompany = None, format: TableOrJson = "table") -> None:
    """List the workflows."""
    with _of_company(company) as (database, of):
        found = workflows.listed(database, of)
    if format == "json":
        return write_json({"workflows": found})
    printing.table([_line(one) for one in found])
    if not found:
        printing.note("there is no workflow yet; make one with: duelist workflow create NAME --filter FILTER")
    return None


def _line(workflow: Document) -> Document:
    names = ("id", "name", "level", "version", "active", "filter")
    return {**{name: workflow[name] for name in names}, "next run": workflow["next_run_at"]}


@workflow_app.command("show")
def show(workflow: OfWorkflow, company: OfCompany = None, format: TableOrJson = "table") -> None:
    """Show a workflow as text and in parts."""
    with _of_company(company) as (database, of):
        found = workflows.document(_found(database, of, workflow), of)
    _shown(found, format)


def _shown(found: Document, format: str) -> None:
    if format == "json":
        return write_json(found)
    printing.say(f"{found['name']} (number {found['id']}, version {found['version']})\n{found['filter']}")
    printing.say(found["english"] or "its filter is no longer right:")
    printing.draw_documents(found["filter"], found["problems"])
    parts = found["parts"] or {}
    printing.table([{"part": part, "filter": one["filter"], "on": one["on"]} for part, one in parts.items()])
    return None


@workflow_app.command("versions")
def list_versions(workflow: OfWorkflow, company: OfCompany = None, format: TableOrJson = "table") -> None:
    """List what a workflow was before, who changed it and when."""
    with _of_company(company) as (database, of):
        found = workflows.versions(database, of, _found(database, of, workflow).id)
    if format == "json":
        return write_json({"versions": found})
    names = ("version", "name", "filter", "changed_at", "changed_by")
    return printing.table([{name: one[name] for name in names} for one in found])


@workflow_app.command("change")
def change(
    workflow: OfWorkflow,
    filter: FilterOption = None,
    customers: Customers = None,
    groups: Groups = None,
    invoices: Invoices = None,
    payments: Payments = None,
    name: Annotated[str | None, typer.Option(help="another name")] = None,
    respect_pauses: RespectPauses = None,
    active: Annotated[bool | None, typer.Option("--on/--off", help="whether it may run")] = None,
    company: OfCompany = None,
    format: TableOrJson = "table",
) -> None:
    """Store a new version. What is not given stays as it is."""
    with _of_company(company) as (database, of):
        stored = _found(database, of, workflow)
        parts = _parts(customers=customers, groups=groups, invoices=invoices, payments=payments)
        edited = _edited(stored, filter, parts, {"name": name, "respect_pauses": respect_pauses, "active": active})
        changed = workflows.change(database, of, stored.id, stored.version, edited, COMMAND_LINE)
    _shown(workflows.document(changed, of), format)


def _edited(stored: Workflow, filter: str | None, parts: Document | None, more: Mapping[str, object]) -> Edited:
    kept = {
        "name": stored.name, "level": stored.level, "respect_pauses": stored.respect_pauses,
        "active": stored.is_active, "growth_factor": stored.growth_factor, "schedule": stored.schedule,
    }  # fmt: skip
    said: Document = {"filter": filter, "parts": parts}
    if filter is None and parts is None:
        said = {"parts": stored.parts} if stored.parts is not None else {"filter": stored.filter}
    given = {option: value for option, value in more.items() if value is not None}
    return Edited.model_validate({**kept, **said, **given}, strict=False)


@workflow_app.command("remove")
def remove(workflow: OfWorkflow, company: OfCompany = None) -> None:
    """Remove a workflow; its runs stay."""
    with _of_company(company) as (database, of):
        stored = _found(database, of, workflow)
        workflows.remove(database, of, stored.id, stored.version, COMMAND_LINE)
    printing.note(f"removed '{stored.name}'")


@workflow_app.command("preview")
def preview(
    workflow: OfWorkflow,
    as_of: AsOf = None,
    rows: Annotated[Kind | None, typer.Option(help="which rows of the answer")] = None,
    limit: Limit = 50,
    company: OfCompany = None,
    format: TableOrJson = "table",
) -> None:
    """Show whom a workflow targets, and who is held back because of a pause."""
    settings = Settings()
    with _of_company(company) as (database, of):
        asked = _asked(_found(database, of, workflow), as_of=as_of, limit=limit)
        cursors = queries.Cursors(settings.signing_key())
        if rows in (None, "customers", "groups"):
            found = queries.preview(database, cursors, of, asked)
        else:
            found = queries.rows_of(database, cursors, of, asked, rows)
    if format == "json":
        return write_json(found)
    printing.previewed(found, rows or ("groups" if asked.level == "group" else "customers"))
    held_back = {kind: count for kind, count in found.get("held_back", {}).get("counts", {}).items() if count}
    if held_back:
        said = (f"{count:,} {kind.replace('_', ' ')}" for kind, count in held_back.items())
        printing.say(f"held back by a pause: {', '.join(said)}")
    return None


def _asked(workflow: Workflow, **more: object) -> queries.Paged:
    of_workflow = {"filter": workflow.filter, "level": workflow.level, "respect_pauses": workflow.respect_pauses}
    return queries.Paged.model_validate({**of_workflow, "params": {}, **more})


@workflow_app.command("diff")
def diff(
    workflow: OfWorkflow,
    filter: FilterOption = None,
    customers: Customers = None,
    groups: Groups = None,
    invoices: Invoices = None,
    payments: Payments = None,
    respect_pauses: RespectPauses = None,
    as_of: AsOf = None,
    limit: Limit = 50,
    company: OfCompany = None,
    format: TableOrJson = "table",
) -> None:
    """Show who would enter and who would leave by an edit. Nothing is stored."""
    parts = _parts(customers=customers, groups=groups, invoices=invoices, payments=payments)
    body = {"filter": filter, "parts": parts, "respect_pauses": respect_pauses, "as_of": _day(as_of), "limit": limit}
    with _of_company(company) as (database, of):
        found = workflows.diff(database, of, _found(database, of, workflow).id, Proposed.model_validate(body))
    if format == "json":
        return write_json(found)
    members = "groups" if found["level"] == "group" else "customers"
    for what in ("entered", "left"):
        one = found[what]
        printing.say(f"{what}: {one['count']:,} {members}, {one['overdue']} overdue")
        printing.table(one[members], numbers=["balance_overdue"])
    printing.say(f"stayed: {found['stayed']['count']:,} {members}, {found['stayed']['overdue']} overdue")
    return None


# ---------------------------------------------------------------- runs


@commands.command()
def run(
    workflow: OfWorkflow,
    as_of: AsOf = None,
    confirm: Annotated[bool, typer.Option("--confirm", help="though the audience changed by much")] = False,
    key: Annotated[str | None, typer.Option(metavar="KEY", help="the same call with it is one run")] = None,
    company: OfCompany = None,
    format: TableOrJson = "table",
) -> None:
    """Fix the audience of a workflow.

    duelist run 'Big and late' --key 2026-11-22
    """
    starting = Starting.model_validate({"as_of": _day(as_of), "confirm": confirm})
    with _of_company(company) as (database, of):
        stored = _found(database, of, workflow)
        made, is_new = workflows.start(database, of, stored.id, starting, COMMAND_LINE, limits_of(Settings()), key)
    found = made.document()
    if format == "json":
        return write_json(found)
    printing.say(found["english"])
    _counted(found)
    printing.note(f"run {found['id']} of '{stored.name}'" + ("" if is_new else ", which this key has made before"))
    return None


def _counted(run: Document) -> None:
    held_back = run["counts"].get("held_back", {})
    lines = [(kind, count) for kind, count in run["counts"].items() if kind != "held_back"]
    printing.table(
        [{"": kind.replace("_", " "), "in": f"{n:,}", "held back": f"{held_back.get(kind, 0):,}"} for kind, n in lines],
        numbers=["in", "held back"],
    )


@runs_app.command("list")
def list_runs(
    workflow: Annotated[str | None, typer.Option(metavar="WORKFLOW", help="of this one only")] = None,
    limit: Limit = 50,
    company: OfCompany = None,
    format: TableOrJson = "table",
) -> None:
    """List the runs, the newest first."""
    with _of_company(company) as (database, of):
        number = None if workflow is None else _found(database, of, workflow).id
        found = workflows.list_runs(database, of, number, limit, None)
    if format == "json":
        return write_json({"runs": found})
    return printing.table([_run_line(one) for one in found])


def _run_line(run: Document) -> Document:
    counts = run["counts"]
    return {
        "run": run["id"], "workflow": run["workflow"]["name"], "as of": run["as_of"], "status": run["status"],
        "customers": counts.get("customers"), "invoices": counts.get("invoices"), "started": run["started_at"],
    }  # fmt: skip


@runs_app.command("show")
def show_run(
    run: OfRun,
    rows: Annotated[Kind | None, typer.Option(help="the rows of this kind")] = None,
    held_back: Annotated[bool, typer.Option("--held-back", help="those that a pause held back")] = False,
    limit: Limit = 50,
    company: OfCompany = None,
    format: TableOrJson = "table",
) -> None:
    """Show a run, or its rows."""
    with _of_company(company) as (database, of):
        found = (
            workflows.read_run(database, of, run) if rows is None
            else workflows.rows_of_run(database, of, run, rows, held_back=held_back, limit=limit)
        )  # fmt: skip
    if format == "json":
        return write_json(found)
    if rows is not None:
        return printing.table(found[rows], numbers=["amount", "balance", "balance_total", "balance_overdue"])
    printing.say(f"{found['workflow']['name']}, as of {found['as_of']}: {found['status']}\n{found['english']}")
    return _counted(found)


@runs_app.command("purge")
def purge_runs(
    older_than: Annotated[str, typer.Option("--older-than", metavar="DAYS", help="such as 400d")],
    company: OfCompany = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="list them, remove nothing")] = False,
) -> None:
    """Remove old runs; those that comparisons need, or somebody has yet to be told of, stay."""
    before = datetime.now(UTC) - timedelta(days=_days(older_than))
    timeout = Settings().export_timeout_ms
    with _of_company(company) as (database, of):
        found = workflows.old_runs(database, of, before)
        if dry_run:
            printing.table([{"run": number, "started": f"{at:%Y-%m-%d %H:%M}"} for number, at in found])
            printing.note(f"{len(found):,} runs would be removed")
            return
        gone = sum(workflows.purge(database, of, number, COMMAND_LINE, timeout_ms=timeout) for number, _ in found)
    printing.say(f"{gone:,} runs are removed")


def _days(written: str) -> int:
    found = re.fullmatch("([1-9][0-9]{0,4})d", written, re.ASCII)
    if found is None:
        raise typer.BadParameter(f"'{written}' is no number of days, such as 400d", param_hint="--older-than")
    return int(found[1])


@runs_app.command("export")
def export_run(
    run: OfRun,
    rows: Annotated[Kind, typer.Option(help="the rows of this kind")] = "customers",
    company: OfCompany = None,
    format: Annotated[Literal["csv", "ndjson"], typer.Option()] = "csv",
) -> None:
    """Write all rows of a run."""
    timeout = Settings().export_timeout_ms
    with (
        _of_company(company) as (database, of),
        closing(workflows.export_run(database, of, run, rows, format, timeout_ms=timeout)) as chunks,
    ):
        about = (database, of.company_id, COMMAND_LINE, rows)
        for chunk in exported(chunks, *about, run=run, format=format):
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


@runs_app.command("compare")
def compare_runs(
    run: OfRun,
    other: Annotated[int | None, typer.Option("--with", metavar="RUN", help="the run before when absent")] = None,
    limit: Limit = 50,
    company: OfCompany = None,
    format: TableOrJson = "table",
) -> None:
    """Show who entered, left and stayed since another run."""
    with _of_company(company) as (database, of):
        found = workflows.compare(database, of, run, other, after=None, limit=limit)
    if format == "json":
        return write_json(found)
    for what in ("entered", "left", "stayed"):
        printing.say(f"{what}: {found[what]['count']:,}")
        if what != "stayed":
            printing.table(found[what]["members"], numbers=["balance_overdue"])
    return None


# ---------------------------------------------------------------- asked of filters


@commands.command()
def funnel(
    filter: Filter,
    level: Level = "customer",
    as_of: AsOf = None,
    param: Params = None,
    match_all: Everyone = False,
    company: OfCompany = None,
    format: TableOrJson = "table",
) -> None:
    """Show what each condition of a filter does by itself, and one after the other."""
    asked = {"filter": filter, "level": level, "as_of": as_of, "params": params_of(param), "match_all": match_all}
    with _of_company(company) as (database, of):
        found = queries.funnel(database, of, queries.Dated.model_validate(asked))
    if format == "json":
        return write_json(found)
    names = {"text": "condition", "alone": "alone", "left": "left", "through_missing": "through a missing value"}
    lines = [{shown: step[name] for name, shown in names.items()} for step in found["conditions"]]
    printing.table(lines, numbers=["alone", "left", "through a missing value"])
    return printing.say(f"\n{found['count']:,} of {found['everyone']:,} {level}s as of {found['as_of']}")


@commands.command()
def forecast(
    filter: Filter,
    days: Annotated[int, typer.Option(help="how many days to look ahead", min=1, max=60)] = 30,
    level: Level = "customer",
    param: Params = None,
    match_all: Everyone = False,
    company: OfCompany = None,
    format: TableOrJson = "table",
) -> None:
    """Show who would match on each of the next days if nobody paid."""
    asked = {"filter": filter, "level": level, "params": params_of(param), "match_all": match_all, "days": days}
    body = queries.Forecasting.model_validate(asked)
    with _of_company(company) as (database, of):
        found = queries.forecast(database, of, body, timeout_ms=Settings().export_timeout_ms)
    if format == "json":
        return write_json(found)
    printing.say(found["english"])
    changes = ("entered", "left")
    lines = [
        {"day": one["as_of"], f"{level}s": one["count"], **{change: one[change]["count"] for change in changes}}
        for one in found["days"]
    ]
    return printing.table(lines, numbers=[f"{level}s", *changes])


@commands.command()
def overlap(as_of: AsOf = None, limit: Limit = 50, company: OfCompany = None, format: TableOrJson = "table") -> None:
    """Show customers that several active workflows target, and overdue money that none does."""
    timeout = Settings().export_timeout_ms
    with _of_company(company) as (database, of):
        found = workflows.overlap(database, of, as_of=_day(as_of), after=None, limit=limit, timeout_ms=timeout)
    if format == "json":
        return write_json(found)
    printing.table(found["workflows"], numbers=["id", "customers"])
    names = {one["id"]: one["name"] for one in found["workflows"]}
    twice = found["overlapping"]
    printing.say(f"\nin more than one: {twice['count']:,} customers")
    printing.table([{**one, "workflows": [names[number] for number in one["workflows"]]} for one in twice["customers"]])
    gaps = found["gaps"]
    printing.say(f"\nin none: {gaps['untargeted']} of {gaps['overdue']} overdue, of {gaps['customers']:,} customers")
    return printing.table(gaps["largest"], numbers=["balance_overdue"])


# ---------------------------------------------------------------- segments


@segment_app.command("define")
def define_segment(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    filter: Filter,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what it would touch")] = False,
    company: OfCompany = None,
    format: TableOrJson = "table",
) -> None:
    """Make a segment, or change it: customer IN SEGMENT 'NAME' is then a condition."""
    body = workflows.Segment(filter=filter, dry_run=dry_run)
    with _of_company(company) as (database, of):
        found = workflows.define_segment(database, of, name, body, COMMAND_LINE)
    _segment(found, format)


@segment_app.command("show")
def show_segment(
    name: Annotated[str, typer.Argument(metavar="NAME")], company: OfCompany = None, format: TableOrJson = "table"
) -> None:
    """Show who is in a segment, and what is built on it."""
    with _of_company(company) as (database, of):
        found = workflows.read_segment(database, of, name)
    _segment(found, format)


def _segment(found: Document, format: str) -> None:
    if format == "json":
        return write_json(found)
    printing.say(f"{found['filter']}\n{found['english'] or 'it is no longer right:'}")
    printing.draw_documents(found["filter"], found["problems"])
    touches = found["touches"]
    used = [f"workflow {one['id']} '{one['name']}'" for one in touches["workflows"]]
    used += [f"segment '{one}'" for one in touches["segments"]]
    return printing.say(f"used by {', '.join(used)}" if used else "used by nothing")


@segment_app.command("list")
def list_segments(company: OfCompany = None, format: TableOrJson = "table") -> None:
    """List the segments."""
    with _of_company(company) as (database, of):
        found = workflows.list_segments(database, of)
    if format == "json":
        return write_json({"segments": found})
    return printing.table([{name: one[name] for name in ("name", "version", "filter")} for one in found])


@segment_app.command("remove")
def remove_segment(name: Annotated[str, typer.Argument(metavar="NAME")], company: OfCompany = None) -> None:
    """Remove a segment that nothing is built on."""
    with _of_company(company) as (database, of):
        workflows.remove_segment(database, of, name, COMMAND_LINE)
    printing.note(f"removed '{name}'")


# ---------------------------------------------------------------- by themselves


@commands.command()
def worker() -> None:
    """Run what is scheduled and tell of runs, until stopped; `serve` does so too, unless DUELIST_WORKER=false."""
    settings = Settings()
    with opened(settings, as_service=True) as database, suppress(KeyboardInterrupt):
        printing.note("working; Ctrl-C stops it")
        Worker(database, settings).run()


@webhook_app.command("set")
def set_webhook(url: Annotated[str, typer.Argument(metavar="URL")], company: OfCompany = None) -> None:
    """Tell this address of every run. The secret that signs what is sent is shown once."""
    private = Settings().webhook_private
    with _of_company(company) as (database, of):
        made = workflows.set_hook(database, of, workflows.Hook(url=url), COMMAND_LINE, private=private)
    print(made["secret"])
    printing.note("keep it: it cannot be shown again")


@webhook_app.command("show")
def show_webhook(company: OfCompany = None, format: TableOrJson = "table") -> None:
    """Show where runs are told to."""
    with _of_company(company) as (database, of):
        found = workflows.hook_of(database, of)
    if format == "json":
        return write_json(found)
    return printing.table([found])


@webhook_app.command("remove")
def remove_webhook(company: OfCompany = None) -> None:
    """Tell nobody."""
    with _of_company(company) as (database, of):
        workflows.remove_hook(database, of, COMMAND_LINE)
    printing.note("nobody is told of runs")
