// Who enters and who leaves by an edit, with their overdue money.
import { amount, count } from "../numbers";
import { baseCurrency } from "../catalog";
import { MiniTable } from "./MiniTable";
import type { Total } from "./stored";

export interface Diff {
  level: "customer" | "group";
  before: Total;
  after: Total;
  entered: Total;
  left: Total;
  stayed: Total;
}

export function Changes({ diff }: { diff: Diff }) {
  return (
    <section class="changes" aria-label="What the edit changes">
      <div class="change-counts">
        <Figure name="Before" total={diff.before} />
        <Figure name="Enter" total={diff.entered} kind="entered" sign="+" />
        <Figure name="Leave" total={diff.left} kind="left" sign="−" />
        <Figure name="After" total={diff.after} />
      </div>
      <Rows title="Enter" total={diff.entered} level={diff.level} />
      <Rows title="Leave" total={diff.left} level={diff.level} />
    </section>
  );
}

function Figure({ name, total, kind = "", sign = "" }: { name: string; total: Total; kind?: string; sign?: string }) {
  return (
    <div class={`change ${total.count ? kind : ""}`}>
      <span class="muted">{name}</span>
      <strong>{total.count ? sign : ""}{count(total.count)}</strong>
      <span class="muted">{amount(total.overdue)} {baseCurrency.value} overdue</span>
    </div>
  );
}

function Rows({ title, total, level }: { title: string; total: Total; level: "customer" | "group" }) {
  const rows = total[level === "group" ? "groups" : "customers"] ?? [];
  if (!rows.length) return null;
  return (
    <details open={rows.length <= 8}>
      <summary>
        {title} ({count(total.count)})
      </summary>
      <MiniTable rows={rows} entity={level} />
      {rows.length < total.count && <p class="muted">The first {count(rows.length)} of {count(total.count)}.</p>}
    </details>
  );
}
