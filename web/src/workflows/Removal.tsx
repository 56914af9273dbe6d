// Removing a workflow, once one has read what ends with it and what stays.
import { useSignal } from "@preact/signals";
import { Dialog } from "../Dialog";
import { go } from "../address";
import { counted } from "../numbers";
import { call, told } from "../server";
import { spokenSchedule } from "./Schedule";
import { type Workflow, stored } from "./stored";

export function RemoveButton({ workflow }: { workflow: Workflow }) {
  const isOpen = useSignal(false);
  return (
    <>
      <button type="button" class="quiet danger" onClick={() => (isOpen.value = true)}>Remove…</button>
      {isOpen.value && <RemoveDialog workflow={workflow} onClose={() => (isOpen.value = false)} />}
    </>
  );
}

function RemoveDialog({ workflow, onClose }: { workflow: Workflow; onClose: () => void }) {
  const problem = useSignal("");
  const isRemoving = useSignal(false);
  const { id, name, version, schedule } = workflow;

  async function remove(): Promise<void> {
    isRemoving.value = true;
    problem.value = "";
    try {
      await call(`/v1/workflows/${id}`, { method: "DELETE", headers: { "If-Match": `"${version}"` } });
      onClose();
      stored.value += 1;
      go("workflows");
    } catch (failure) {
      problem.value = told(failure) || "The server does not answer; look at the list of workflows before you try again.";
    }
    isRemoving.value = false;
  }

  return (
    <Dialog title={`Remove “${name}”?`} onClose={onClose}>
      <div class="dialog-body">
        <p>Nobody can take this back here. What ends:</p>
        <ul class="plain">
          <li>the workflow, with its filter: it is run, edited and looked for in overlaps no more</li>
          {schedule && <li>its schedule: {spokenSchedule(schedule)}</li>}
        </ul>
        <p>Its runs and {counted(version, "version")} are kept as a record, and the name is free again.</p>
        <pre class="filter-text">{workflow.filter}</pre>
        {problem.value && <p class="refusal" role="alert">{problem.value}</p>}
        <footer>
          <button type="button" class="quiet" onClick={onClose}>Keep it</button>
          <button type="button" class="danger-button" disabled={isRemoving.value} onClick={() => void remove()}>Remove the workflow</button>
        </footer>
      </div>
    </Dialog>
  );
}
