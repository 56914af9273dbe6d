// One workflow: whom it targets now, who is held back, its versions and runs.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { go } from "../address";
import { count, counted, time } from "../numbers";
import type { Preview } from "../question";
import { Refused, call, isAborted, post, told } from "../server";
import { MiniTable } from "./MiniTable";
import { Badges, RunList } from "./WorkflowsPage";
import { editHref } from "./editing";
import { type Run, type Workflow, stored, useRead } from "./stored";

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
          <a class="button quiet" href={editHref(workflow)}>Edit the filter</a>
          <RunButton workflow={workflow} />
        </div>
      </div>
      <section class="card padded">
        <p class="sentence">{workflow.english}</p>
        <pre class="filter-text">{workflow.filter}</pre>
        {workflow.problems.map(({ message }) => <p class="refusal">{message}</p>)}
        <PausesSwitch workflow={workflow} />
      </section>
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
                {!version.respect_pauses && <span class="pill">pauses ignored</span>}
                <span class="muted">{version.changed_by}, {time(version.changed_at)}</span>
                {version.version !== workflow.version && (
                  <a class="quiet" href={editHref({ ...workflow, level: version.level }, version.filter)}>Edit from here</a>
                )}
              </span>
            </div>
          </li>
        ))}
      </ol>
    </main>
  );
}

function PausesSwitch({ workflow }: { workflow: Workflow }) {
  const problem = useSignal("");
  async function change(respect: boolean): Promise<void> {
    const { name, level, filter, active, growth_factor, schedule } = workflow;
    const body = {
      name, level, filter, active, respect_pauses: respect,
      ...(schedule ? { schedule } : {}), ...(growth_factor ? { growth_factor: Number(growth_factor) } : {}),
    };
    problem.value = "";
    await call(`/v1/workflows/${workflow.id}`, { method: "PUT", body, headers: { "If-Match": `"${workflow.version}"` } }).catch(
      (failure) => (problem.value = told(failure)),
    );
    stored.value += 1;
  }
  return (
    <>
      <label class="switch">
        <input type="checkbox" role="switch" checked={workflow.respect_pauses} onChange={(event) => void change(event.currentTarget.checked)} />
        <span>Hold back customers and invoices whose chasing is paused</span>
      </label>
      {problem.value && <p class="refusal" role="alert">{problem.value}</p>}
    </>
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
      <button type="button" class="primary" disabled={isRunning.value || !workflow.active} onClick={() => void run(false)}>
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
