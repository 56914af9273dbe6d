// All workflows, and what was run last.
import { address, href } from "../address";
import { mayWrite } from "../catalog";
import { counted, date, time } from "../numbers";
import { edited } from "./editing";
import { spokenSchedule } from "./Schedule";
import { type Run, type Workflow, useRead } from "./stored";

export function WorkflowsPage() {
  const { found, problem } = useRead<{ workflows: Workflow[] }>("/v1/workflows");
  const runs = useRead<{ runs: Run[] }>("/v1/runs?limit=20");
  address.value;
  return (
    <main id="main">
      <div class="page-head">
        <h1>Workflows</h1>
        {mayWrite.value && <a class="button primary" href={href("")} onClick={() => (edited.value = "")}>New from a filter</a>}
      </div>
      {problem && <p class="refusal" role="alert">{problem}</p>}
      {found && !found.workflows.length && (
        <p class="card empty">No workflow yet. Write a filter, then save it: it is versioned, run, and compared from then on.</p>
      )}
      {found && found.workflows.length > 0 && (
        <ul class="card rows">
          {found.workflows.map((workflow) => (
            <li key={workflow.id}>
              <a class="row-link" href={href(`workflows/${workflow.id}`)}>
                <span class="row-main">
                  <strong>{workflow.name}</strong>
                  <span class="muted">{workflow.english ?? workflow.filter}</span>
                </span>
                <span class="row-end">
                  <Badges workflow={workflow} />
                  <span class="muted">version {workflow.version}</span>
                </span>
              </a>
            </li>
          ))}
        </ul>
      )}
      {runs.found && runs.found.runs.length > 0 && (
        <>
          <h2>Latest runs</h2>
          <RunList runs={runs.found.runs} />
        </>
      )}
    </main>
  );
}

export function Badges({ workflow }: { workflow: Workflow }) {
  return (
    <>
      {workflow.problems.length > 0 && <span class="pill bad">needs mending</span>}
      {!workflow.active && <span class="pill">switched off</span>}
      {workflow.level === "group" && <span class="pill">groups</span>}
      {workflow.schedule && <span class="pill" title={spokenSchedule(workflow.schedule)}>{workflow.schedule.days.join(", ")}</span>}
    </>
  );
}

export function RunList({ runs, ofOne = false }: { runs: Run[]; ofOne?: boolean }) {
  return (
    <ul class="card rows">
      {runs.map((run) => (
        <li key={run.id}>
          <a class="row-link" href={href(`runs/${run.id}`)}>
            <span class="row-main">
              <strong>{ofOne ? `Run ${run.id}` : run.workflow.name}</strong>
              <span class="muted">
                {ofOne ? "" : `run ${run.id}, `}version {run.workflow.version}, as of {date(run.as_of)}
              </span>
            </span>
            <span class="row-end">
              {run.status === "refused" ? (
                <span class="pill bad">refused</span>
              ) : (
                <span>
                  {counted(run.counts.customers, "customer")}
                  {run.counts.held_back.customers > 0 && <span class="muted">, {run.counts.held_back.customers} held back</span>}
                </span>
              )}
              <span class="muted">{time(run.started_at)}</span>
            </span>
          </a>
        </li>
      ))}
    </ul>
  );
}
