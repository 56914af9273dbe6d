// One run: whom it fixed, who was held back, and who entered and left since the run before.
import { href } from "../address";
import { count, counted, date, time } from "../numbers";
import type { Row } from "../question";
import { MiniTable } from "./MiniTable";
import { type Run, useRead } from "./stored";

interface Members {
  count: number;
  members: Row[];
  next: string | null;
}

interface Comparison {
  with: number;
  with_as_of: string;
  entered: Members;
  left: Members;
  stayed: Members;
}

export function RunPage({ id }: { id: string }) {
  const { found: run, problem } = useRead<Run>(`/v1/runs/${id}`);
  const kind = run?.level === "group" ? "groups" : "customers";
  const paused = useRead<Record<string, Row[]>>(run && run.counts.held_back.customers > 0 ? `/v1/runs/${id}/${kind}?held_back=true` : null);
  const compared = useRead<Comparison>(run ? `/v1/runs/${id}/compare` : null);
  const rows = useRead<Record<string, Row[]>>(run ? `/v1/runs/${id}/${kind}?limit=200` : null);
  if (problem) return <main id="main"><p class="refusal" role="alert">{problem}</p></main>;
  if (!run) return <main id="main" aria-busy="true" />;
  const held = paused.found?.[kind] ?? [];
  return (
    <main id="main">
      <div class="page-head">
        <div>
          <p class="over-title">
            <a href={href(`workflows/${run.workflow.id}`)}>{run.workflow.name}</a>, version {run.workflow.version}
          </p>
          <h1>Run {run.id}</h1>
          <p class="muted">as of {date(run.as_of)}, started {time(run.started_at)} by {run.started_by}</p>
        </div>
      </div>
      {run.status === "refused" && <p class="refusal" role="alert">{run.refusal?.detail ?? "This run was refused."}</p>}
      <section class="card padded">
        <p class="sentence">{run.english}</p>
        <div class="counts">
          {(["customers", "invoices", "payments"] as const).map((kind) => (
            <div class="count"><span class="number">{count(run.counts[kind])}</span> <span class="kind">{kind}</span></div>
          ))}
          <div class="count"><span class="number">{count(run.counts.held_back.customers)}</span> <span class="kind">held back</span></div>
        </div>
      </section>
      <h2>Since the run before</h2>
      {compared.found ? <Compared found={compared.found} level={run.level} /> : <p class="muted">{compared.problem || "Comparing…"}</p>}
      {held.length > 0 && (
        <>
          <h2>Held back <span class="muted">{counted(run.counts.held_back.customers, "customer")} paused</span></h2>
          <div class="card"><MiniTable rows={held} entity={run.level} /></div>
        </>
      )}
      <h2>Audience</h2>
      {rows.found?.[kind]?.length ? (
        <div class="card"><MiniTable rows={rows.found[kind] ?? []} entity={run.level} /></div>
      ) : (
        <p class="muted">Nobody.</p>
      )}
    </main>
  );
}

function Compared({ found, level }: { found: Comparison; level: string }) {
  return (
    <>
      <p>
        Compared with <a href={href(`runs/${found.with}`)}>run {found.with}</a> as of {date(found.with_as_of)}: <strong>{count(found.entered.count)} entered</strong>,{" "}
        <strong>{count(found.left.count)} left</strong>, {count(found.stayed.count)} stayed.
      </p>
      {(["entered", "left"] as const).map((name) =>
        found[name].members.length ? (
          <section class="card" aria-label={name}>
            <h3 class="card-title">{name === "entered" ? "Entered" : "Left"}</h3>
            <MiniTable rows={found[name].members} entity={level} />
          </section>
        ) : null,
      )}
    </>
  );
}
