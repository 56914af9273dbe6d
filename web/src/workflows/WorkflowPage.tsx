// One workflow: whom it targets now, who is held back, its versions and runs.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { go } from "../address";
import { mayWrite, onlyReads } from "../catalog";
import { count, counted, time } from "../numbers";
import type { Preview } from "../question";
import { Refused, call, isAborted, post, told } from "../server";
import { MiniTable } from "./MiniTable";
import { Badges, RunList } from "./WorkflowsPage";
import { editHref } from "./editing";
import { RemoveButton } from "./Removal";
import { ScheduleCard } from "./Schedule";
import { type Changes, type Run, type Workflow, change, stored, useRead } from "./stored";

export function WorkflowPage({ id }: { id: string }) {
  const { found: workflow, problem } = useRead<Workflow>(`/v1/workflows/${id}`);
  const versions = useRead<{ versions: Workflow[] }>(`/v1/workflows/${id}/versions`);
  const runs = useRead<{ runs: Run[] }>(`/v1/workflows/${id}/runs`);
  if (problem) return <main id="main"><p class="refusal" role="alert">{problem}</p></main>;
  if (!workflow) return <main id="main" aria-busy="true" />;
  return (
    <main id="main">
      <div class="page-head">
        <div>
          <p class="over-title">Workflow</p>
          <h1>{workflow.name} <Badges workflow={workflow} /></h1>
        </div>
        <div class="actions">
          {mayWrite.value && <RemoveButton workflow={workflow} />}
          <a class="button quiet" href={editHref(workflow)}>{mayWrite.value ? "Edit the filter" : "Open the filter"}</a>
          {mayWrite.value && <RunButton workflow={workflow} />}
        </div>
      </div>
      {onlyReads.value && <p class="note">Running and changing it needs a key of scope write; this one may only read.</p>}
      <section class="card padded">
        <p class="sentence">{workflow.english}</p>
        <pre class="filter-text">{workflow.filter}</pre>
        {workflow.problems.map(({ message }) => <p class="refusal">{message}</p>)}
        <Switches workflow={workflow} />
      </section>
      <ScheduleCard key={workflow.version} workflow={workflow} />
      <Audience key={workflow.version} workflow={workflow} />
      <h2>Runs</h2>
      {runs.found?.runs.length ? <RunList runs={runs.found.runs} ofOne /> : <p class="muted">It has not been run yet.</p>}
      <h2>Versions</h2>
      <ol class="card rows versions" reversed>
        {versions.found?.versions.map((version) => (
          <li key={version.version}>
            <div class="row-link">
              <span class="row-main">
                <strong>Version {version.version}</strong>
                <code>{version.filter}</code>
              </span>
              <span class="row-end">
                <Badges workflow={version} />
                {!version.respect_pauses && <span class="pill">pauses ignored</span>}
                <span class="muted">{version.changed_by}, {time(version.changed_at)}</span>
                {version.version !== workflow.version && (
                  <a class="quiet" href={editHref({ ...workflow, level: version.level }, version.filter)}>{mayWrite.value ? "Edit from here" : "Open"}</a>
                )}
              </span>
            </div>
          </li>
        ))}
      </ol>
    </main>
  );
}

function Switches({ workflow }: { workflow: Workflow }) {
  const problem = useSignal("");
  async function set(changes: Changes): Promise<void> {
    problem.value = "";
    await change(workflow, changes).catch((failure) => (problem.value = told(failure)));
    stored.value += 1;
  }
  const locked = !mayWrite.value;
  return (
    <div class="switches">
      <label class="switch">
        <input type="checkbox" role="switch" disabled={locked} checked={workflow.respect_pauses} onChange={(event) => void set({ respect_pauses: event.currentTarget.checked })} />
        <span>Hold back customers and invoices whose chasing is paused</span>
      </label>
      <label class="switch">
        <input type="checkbox" role="switch" disabled={locked} checked={workflow.active} onChange={(event) => void set({ active: event.currentTarget.checked })} />
        <span>Active: it may be run</span>
      </label>
      {problem.value && <p class="refusal" role="alert">{problem.value}</p>}
    </div>
  );
}

function Audience({ workflow }: { workflow: Workflow }) {
  const preview = useSignal<Preview | null>(null);
  const problem = useSignal("");
  useEffect(() => {
    const stop = new AbortController();
    post<Preview>("/v1/preview", { filter: workflow.filter, level: workflow.level, respect_pauses: workflow.respect_pauses, usual: true, limit: 20 }, stop.signal).then(
      (found) => (preview.value = found),
      (failure) => {
        if (!isAborted(failure)) problem.value = told(failure);
      },
    );
    return () => stop.abort();
  }, []);
  if (problem.value) return <p class="refusal" role="alert">{problem.value}</p>;
  if (!preview.value) return <p class="muted" aria-busy="true">Counting…</p>;
  const { counts, held_back } = preview.value;
  const kind = workflow.level === "group" ? "groups" : "customers";
  const paused = held_back?.[kind] ?? [];
  const number = held_back?.counts[kind] ?? 0;
  return (
    <>
      <h2>Targets now</h2>
      <div class="counts">
        {Object.entries(counts).map(([kind, number]) => (
          <div class="count"><span class="number">{count(number)}</span> <span class="kind">{kind}</span></div>
        ))}
      </div>
      {workflow.respect_pauses && (
        <section class="stack" aria-label="Held back">
          <h2>Held back <span class="muted">{counted(number, kind.slice(0, -1))} paused</span></h2>
          {paused.length ? <div class="card"><MiniTable rows={paused} entity={workflow.level} /></div> : <p class="muted">Nobody is held back.</p>}
        </section>
      )}
    </>
  );
}

interface Changed {
  before: number;
  now: number;
  factor: string;
}

function RunButton({ workflow }: { workflow: Workflow }) {
  const changed = useSignal<Partial<Changed> | null>(null);
  const problem = useSignal("");
  const isRunning = useSignal(false);
  async function run(confirm: boolean): Promise<void> {
    isRunning.value = true;
    problem.value = "";
    changed.value = null;
    try {
      const headers = { "Idempotency-Key": crypto.randomUUID() };
      const made = await call<Run>(`/v1/workflows/${workflow.id}/runs`, { method: "POST", body: confirm ? { confirm } : {}, headers });
      stored.value += 1;
      go(`runs/${made.id}`);
    } catch (failure) {
      problem.value = told(failure) || "The server does not answer; look at the runs before you try again.";
      if (failure instanceof Refused && failure.code === "audience-changed") changed.value = (failure.errors[0] ?? {}) as Partial<Changed>;
    }
    isRunning.value = false;
  }
  return (
    <div class="run-button">
      <button type="button" class="primary" disabled={isRunning.value || !workflow.active} title={workflow.active ? undefined : "It is switched off"} onClick={() => void run(false)}>
        Run now
      </button>
      {problem.value && (
        <div class="refusal" role="alert">
          {problem.value}
          {changed.value && (
            <button type="button" class="quiet" onClick={() => void run(true)}>Run it all the same</button>
          )}
        </div>
      )}
    </div>
  );
}
