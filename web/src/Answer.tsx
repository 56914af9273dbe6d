// The filter in English, and how many it is about.
import { answer, countExactly, isAsking, isStale, isWrong, refusal } from "./question";
import { count, date } from "./numbers";
import { told } from "./server";

const NAMES: Record<string, [string, string]> = {
  groups: ["group", "groups"],
  customers: ["customer", "customers"],
  invoices: ["invoice", "invoices"],
  payments: ["payment", "payments"],
};

export function AnswerSummary() {
  const known = answer.value;
  return (
    <section class={`summary ${isStale.value ? "stale" : ""}`} aria-label="Answer">
      <div class="progress" hidden={!isAsking.value} />
      {refusal.value && <p class="refusal" role="alert">{refusal.value}</p>}
      {known ? (
        <>
          <p class="sentence" aria-live="polite">{known.preview.english}</p>
          <div class="counts" aria-live="polite" aria-busy={isStale.value}>
            {Object.entries(known.preview.counts).map(([kind, number]) => (
              <Count kind={kind} number={number} isCapped={known.preview.capped?.includes(kind) ?? false} />
            ))}
            <span class="as-of">as of {date(known.preview.as_of)}</span>
          </div>
        </>
      ) : (
        <Awaited />
      )}
    </section>
  );
}

function Awaited() {
  if (isWrong.value) return <p class="muted">The answer is here once the text is right.</p>;
  return isAsking.value ? <p class="sentence skeleton" aria-hidden="true">&nbsp;</p> : null;
}

function Count({ kind, number, isCapped }: { kind: string; number: number; isCapped: boolean }) {
  const [one, many] = NAMES[kind] ?? [kind, kind];
  return (
    <div class="count">
      {isCapped ? (
        <button type="button" class="number" title="Count exactly" onClick={() => void countExactly().catch((failure) => (refusal.value = told(failure)))}>
          {count(number)}+
        </button>
      ) : (
        <span class="number">{count(number)}</span>
      )}{" "}
      <span class="kind">{number === 1 ? one : many}</span>
    </div>
  );
}
