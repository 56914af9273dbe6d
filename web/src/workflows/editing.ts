// Which workflow the filter page edits, if any.
import { signal } from "@preact/signals";
import { href } from "../address";
import type { Workflow } from "./stored";

/** Its id; empty for a filter of its own. */
export const edited = signal("");

export function editHref(workflow: Workflow, filter = workflow.filter): string {
  return href("", {
    filter,
    level: workflow.level === "group" ? "group" : "",
    pauses: workflow.respect_pauses ? "respected" : "",
    workflow: String(workflow.id),
  });
}
