// A funnel and an aging chart of the selection; each number is there as text too.
import { aging, funnel, problem } from "./breakdown";
import { lazily } from "./lazily";
import { amount, count, counted } from "./numbers";
import { type Answer, answer, isStale, isWrong } from "./question";

const Bars = lazily(async () => (await import("./Chart")).Bars);

export function Figures() {
  return (
    <div class="figures">
      <FunnelCard />
      <AgingCard />
    </div>
  );
}

const ageOf = (of: Answer | undefined): string => (isStale.value || (of && of !== answer.value) ? "stale" : "");

function everyone(of: Answer | undefined): string {
  const kind = of?.asked.level === "group" ? "groups" : "customers";
  return of?.asked.respectPauses ? `All ${kind} that are not paused` : `All ${kind}`;
}

function FunnelCard() {
  const { found, of } = funnel.value ?? {};
  const steps = found
    ? [
        { text: everyone(of), left: found.everyone, told: "", code: false },
        ...found.conditions.map(({ text, english, left, alone, through_missing }) => ({
          text,
          left,
          code: true,
          told: `${english}\n${count(alone)} meet it alone${through_missing ? `, ${count(through_missing)} only because a value is missing` : ""}`,
        })),
      ]
    : [];
  return (
    <section class={`card figure ${ageOf(of)}`} aria-labelledby="funnel-title">
      <h2 id="funnel-title">What each condition leaves</h2>
      {!found && <Absent />}
      {found && (
        <div class="funnel">
          <table>
            <thead class="visually-hidden">
              <tr>
                <th scope="col">Condition</th>
                <th scope="col">Left</th>
              </tr>
            </thead>
            <tbody>
              {steps.map(({ text, left, told, code }) => (
                <tr title={told}>
                  <th scope="row">{code ? <code title={text}>{text}</code> : text}</th>
                  <td>{count(left)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <div class="funnel-bars" style={{ height: `${steps.length * 30}px` }}>
            <Bars
              direction="y"
              labels={steps.map(({ text }) => text)}
              values={steps.map(({ left }) => left)}
              tooltips={steps.map(({ left, told }) => [counted(left, "left", "left"), told].filter(Boolean).join("; "))}
              colours={steps.map((_, place) => (place === steps.length - 1 && place > 0 ? "var(--accent)" : "var(--bar)"))}
            />
          </div>
        </div>
      )}
    </section>
  );
}

/** Why there is nothing to see yet. */
function Absent() {
  if (problem.value) return <p class="note">{problem.value}</p>;
  if (answer.value) return <p class="muted" aria-busy="true">Counting…</p>;
  return isWrong.value ? <p class="muted">Nothing yet.</p> : null;
}

function AgingCard() {
  const { found, of } = aging.value ?? {};
  const unrated = found?.buckets.reduce((sum, bucket) => sum + bucket.unrated, 0) ?? 0;
  const isNothing = found?.buckets.every(({ invoices }) => !invoices) ?? false;
  return (
    <section class={`card figure ${ageOf(of)}`} aria-labelledby="aging-title">
      <h2 id="aging-title">
        Open balance by days overdue {found && <span class="muted">{found.currency}</span>}
      </h2>
      {!found && <Absent />}
      {isNothing && <p class="muted">Nothing is open.</p>}
      {found && !isNothing && (
        <>
          <div class="aging-bars">
            <Bars
              direction="x"
              labels={found.buckets.map(({ bucket }) => bucket)}
              // Heights of bars only; the amounts themselves are never put through a float.
              values={found.buckets.map(({ balance }) => Number(balance))}
              tooltips={found.buckets.map(({ balance, invoices }) => `${amount(balance)} ${found.currency}, ${counted(invoices, "invoice")}`)}
              colours={found.buckets.map((_, place) => (place === 0 ? "var(--bar)" : "var(--accent)"))}
            />
          </div>
          <details class="as-table">
            <summary>As a table</summary>
            <table>
              <thead>
                <tr>
                  <th scope="col">Days overdue</th>
                  <th scope="col" class="number-cell">Open balance</th>
                  <th scope="col" class="number-cell">Invoices</th>
                </tr>
              </thead>
              <tbody>
                {found.buckets.map(({ bucket, balance, invoices }) => (
                  <tr>
                    <th scope="row">{bucket}</th>
                    <td class="number-cell">{amount(balance)}</td>
                    <td class="number-cell">{count(invoices)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </details>
          {unrated > 0 && <p class="note">{counted(unrated, "invoice")} left out: there is no rate for the currency.</p>}
        </>
      )}
    </section>
  );
}
