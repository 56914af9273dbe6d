// Storing the filter: as a new workflow, or as the next version of the one that is edited, its changes seen first.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Dialog } from "../Dialog";
import { go, href } from "../address";
import { asOf, filter, isRight, isStale, level, respectPauses } from "../question";
import { mayWrite, onlyReads } from "../catalog";
import { Refused, call, isAborted, post, told } from "../server";
import { Changes, type Diff } from "./Changes";
import { edited, editHref } from "./editing";
import { type Workflow, change, stored, useRead } from "./stored";

export function SaveBar() {
  const isOpen = useSignal(false);
  const { found, problem } = useRead<Workflow>(edited.value ? `/v1/workflows/${edited.value}` : null);
  const workflow = edited.value ? found : null;
  return (
    <div class={`save-bar ${workflow ? "editing" : ""}`}>
      {workflow && (
        <p>
          {onlyReads.value ? "Looking at" : "Editing"} <a href={href(`workflows/${workflow.id}`)}>{workflow.name}</a> <span class="muted">version {workflow.version}</span>
        </p>
      )}
      {edited.value && problem && <p class="refusal" role="alert">{problem}</p>}
      {workflow && (
        <button type="button" class="quiet" onClick={() => (location.hash = editHref(workflow).slice(1))}>
          Discard changes
        </button>
      )}
      {onlyReads.value ? (
        <span class="muted">Saving needs a key of scope write; this one may only read.</span>
      ) : (
        <button type="button" class="primary" disabled={!mayWrite.value || !isRight.value || isStale.value} onClick={() => (isOpen.value = true)}>
          {workflow ? "Review and save…" : "Save as workflow…"}
        </button>
      )}
      {isOpen.value && <SaveDialog workflow={workflow} onClose={() => (isOpen.value = false)} />}
    </div>
  );
}

function SaveDialog({ workflow, onClose }: { workflow: Workflow | null; onClose: () => void }) {
  const name = useSignal(workflow?.name ?? "");
  const pauses = useSignal(workflow ? respectPauses.value : true);
  const active = useSignal(workflow?.active ?? true);
  const diff = useSignal<Diff | null>(null);
  const problem = useSignal("");
  const stale = useSignal<Workflow | null>(null);
  const isSaving = useSignal(false);

  useEffect(() => {
    if (!workflow) return;
    const stop = new AbortController();
    const proposed = { filter: filter.value, respect_pauses: pauses.value, ...(asOf.value ? { as_of: asOf.value } : {}) };
    post<Diff>(`/v1/workflows/${workflow.id}/diff`, proposed, stop.signal).then(
      (found) => (diff.value = found),
      (failure) => {
        if (!isAborted(failure)) problem.value = told(failure);
      },
    );
    return () => stop.abort();
  }, [pauses.value]);

  async function save(event: Event): Promise<void> {
    event.preventDefault();
    isSaving.value = true;
    problem.value = "";
    try {
      const made = await send();
      stored.value += 1;
      onClose();
      edited.value = "";
      go(`workflows/${made.id}`);
    } catch (failure) {
      problem.value = told(failure) || "The server does not answer; nothing was saved.";
      if (workflow && failure instanceof Refused && failure.code === "stale-version") {
        stale.value = await call<Workflow>(`/v1/workflows/${workflow.id}`).catch(() => null);
      }
    }
    isSaving.value = false;
  }

  function send(): Promise<Workflow> {
    const changed = { name: name.value, level: level.value, filter: filter.value, respect_pauses: pauses.value, active: active.value };
    return workflow ? change(workflow, changed) : post<Workflow>("/v1/workflows", changed);
  }

  return (
    <Dialog title={workflow ? "Review and save" : "Save as workflow"} onClose={onClose}>
      <form class="dialog-body" onSubmit={(event) => void save(event)}>
        <label class="stacked">
          Name
          <input type="text" required maxLength={200} value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} />
        </label>
        <label class="switch">
          <input type="checkbox" role="switch" checked={pauses.value} onChange={(event) => (pauses.value = event.currentTarget.checked)} />
          <span>Hold back customers and invoices whose chasing is paused</span>
        </label>
        <label class="switch">
          <input type="checkbox" role="switch" checked={active.value} onChange={(event) => (active.value = event.currentTarget.checked)} />
          <span>Active: it may be run</span>
        </label>
        <pre class="filter-text">{filter.value}</pre>
        {workflow && !problem.value && (diff.value ? <Changes diff={diff.value} /> : <p class="muted" aria-busy="true">Comparing with version {workflow.version}…</p>)}
        {problem.value && <p class="refusal" role="alert">{problem.value}</p>}
        {stale.value && (
          <p class="note">
            Version {stale.value.version} by {stale.value.changed_by} came first.{" "}
            <a href={editHref(stale.value)} onClick={onClose}>Load it</a> or{" "}
            <a href={editHref(stale.value, filter.value)} onClick={() => (onClose(), (stored.value += 1))}>go on with your filter on top of it</a>.
          </p>
        )}
        <footer>
          <button type="submit" class="primary" disabled={isSaving.value || (workflow !== null && !diff.value)}>
            {workflow ? `Save as version ${workflow.version + 1}` : "Save"}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
