// The tree of conditions, ticked, with the values and rows that decide.
import { useEffect, useRef } from "preact/hooks";
import { columnField, spoken } from "./catalog";
import { CellOf } from "./Cells";
import { type Reason, type Witness, problem, subject, why } from "./why";
import { date, number } from "./numbers";
import { answer } from "./question";

export function WhyPanel() {
  const dialog = useRef<HTMLDialogElement>(null);
  const of = subject.value;
  useEffect(() => {
    if (of && !dialog.current?.open) dialog.current?.showModal();
    if (!of) dialog.current?.close();
  }, [of]);
  return (
    <dialog
      class="panel"
      ref={dialog}
      aria-labelledby="why-title"
      onClose={() => (subject.value = null)}
      onClick={(event) => event.target === dialog.current && dialog.current?.close()}
    >
      {of && (
        <div class="panel-body">
          <header>
            <div>
              <p class="over-title">Why</p>
              <h2 id="why-title">{of.name}</h2>
              <p class="muted">{of.sourceId}</p>
            </div>
            <button type="button" class="icon" aria-label="Close" onClick={() => dialog.current?.close()}>
              ×
            </button>
          </header>
          {problem.value && <p class="refusal" role="alert">{problem.value}</p>}
          {!why.value && !problem.value && <p class="muted" aria-busy="true">Looking…</p>}
          {why.value && (
            <>
              <p class={`verdict ${why.value.matches ? "yes" : "no"}`}>
                {why.value.held_back ? "Meets the filter, and is held back by a pause" : why.value.matches ? "Matches the filter" : "Does not match"}
                <span class="muted"> as of {date(answer.value?.preview.as_of ?? "")}</span>
              </p>
              <ul class="tree">
                <Node reason={why.value.tree} />
              </ul>
            </>
          )}
        </div>
      )}
    </dialog>
  );
}

const JOINED: Record<string, string> = { and: "All of these", or: "At least one of these", not: "Not" };

function Node({ reason }: { reason: Reason }) {
  const label = JOINED[reason.kind];
  const of = rowsOf(reason)[0];
  return (
    <li>
      <div class="node">
        <span class={`tick ${reason.holds ? "yes" : "no"}`} role="img" aria-label={reason.holds ? "holds" : "does not hold"}>
          {reason.holds ? "✓" : "✕"}
        </span>
        <div>
          {label && reason.children.length ? <span class="joined">{label}</span> : <Text reason={reason} />}
          <Facts reason={reason} />
        </div>
      </div>
      {of && reason.children.length > 0 && (
        <p class="of-row muted">
          Of {spoken(of.entity)} {of.source_id}:
        </p>
      )}
      {reason.children.length > 0 && (
        <ul class="tree">
          {reason.children.map((child) => (
            <Node reason={child} />
          ))}
        </ul>
      )}
    </li>
  );
}

function Text({ reason }: { reason: Reason }) {
  return (
    <>
      <span class="english">{reason.english}</span>
      <code>{reason.text}</code>
    </>
  );
}

/** The rows that decide; what stands below it speaks of the first. */
const rowsOf = ({ witnesses, witness, counterexample, nearest }: Reason): Witness[] =>
  witnesses ?? [witness, counterexample, nearest].filter((row) => row !== undefined);

function Facts({ reason }: { reason: Reason }) {
  const rows = rowsOf(reason);
  const missed = reason.short_by === undefined ? "" : `, short by ${reason.short_by}`;
  return (
    <>
      {reason.actual !== undefined && !reason.detail && (
        <p class="fact">
          is <strong>{shown(reason.actual)}</strong>
          {missed}
        </p>
      )}
      {reason.detail && <p class="fact">{reason.detail}{missed}</p>}
      {reason.count !== undefined && <p class="fact">{reason.count} of {reason.of} meet the condition inside</p>}
      {rows.map((row) => (
        <Row row={row} word={reason.counterexample === row ? "except" : reason.nearest === row ? "nearest" : ""} />
      ))}
    </>
  );
}

function shown(actual: Reason["actual"]): string {
  if (actual === null || actual === undefined) return "missing";
  if (typeof actual === "boolean") return actual ? "yes" : "no";
  const text = String(actual);
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return date(text);
  return /^-?\d+(\.\d+)?$/.test(text) ? number(text) : text;
}

function Row({ row, word }: { row: Witness; word: string }) {
  const { entity, source_id, currency, customer_source_id, ...fields } = row;
  return (
    <dl class="witness">
      <div>
        <dt>{word} {spoken(entity)}</dt>
        <dd>{source_id}</dd>
      </div>
      {Object.entries(fields).map(([name, value]) => (
        <div>
          <dt>{columnField(entity, name)?.label ?? spoken(name)}</dt>
          <dd>
            <CellOf value={value} field={columnField(entity, name)} currency={String(currency ?? "")} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
