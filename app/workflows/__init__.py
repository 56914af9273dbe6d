"""Workflows: filters that are stored and run, who stood in their runs, and what a change would change."""

from app.workflows.asked import Edited, Proposed, Starting
from app.workflows.audiences import Run, compare
from app.workflows.audiences import export as export_run
from app.workflows.audiences import listed as list_runs
from app.workflows.audiences import read as read_run
from app.workflows.audiences import rows as rows_of_run
from app.workflows.changes import diff
from app.workflows.overlap import overlap
from app.workflows.retention import old_runs, purge
from app.workflows.runs import Limits, start
from app.workflows.schedule import run_next
from app.workflows.segments import Segment
from app.workflows.segments import define as define_segment
from app.workflows.segments import listed as list_segments
from app.workflows.segments import read as read_segment
from app.workflows.segments import remove as remove_segment
from app.workflows.stored import (
    Workflow,
    change,
    create,
    document,
    listed,
    named,
    read,
    remove,
    versions,
)
from app.workflows.webhooks import Hook, deliver_next, hook_of, remove_hook, set_hook

__all__ = [
    "Edited",
    "Hook",
    "Limits",
    "Proposed",
    "Run",
    "Segment",
    "Starting",
    "Workflow",
    "change",
    "compare",
    "create",
    "define_segment",
    "deliver_next",
    "diff",
    "document",
    "export_run",
    "hook_of",
    "list_runs",
    "list_segments",
    "listed",
    "named",
    "old_runs",
    "overlap",
    "purge",
    "read",
    "read_run",
    "read_segment",
    "remove",
    "remove_hook",
    "remove_segment",
    "rows_of_run",
    "run_next",
    "set_hook",
    "start",
    "versions",
]
