// Who and what matches: tabs with tables in pages; a row opens why.
import { useSignal } from "@preact/signals";
import { CellOf, columnsOf, type Column } from "./Cells";
import { type Order, type Tab, ENTITIES, download, failure, list, loadMore, orders, shownTab, tab, tabs } from "./lists";
import { count } from "./numbers";
import { type Row, answer, isStale, isWrong } from "./question";
import { openWhy } from "./why";
import { baseCurrency } from "./catalog";
import { told } from "./server";

const LABELS: Record<Tab, string> = { groups: "Groups", customers: "Customers", invoices: "Invoices", payments: "Payments" };

export function Results() {
  const known = answer.value;
  const shown = shownTab.value;
  return (
    <section class="card results" aria-label="Matches">
      <div class="results-head">
        <div role="tablist" aria-label="Matches" class="tabs" onKeyDown={arrow}>
          {tabs.value.map((name) => (
            <button
              type="button"
              role="tab"
              id={`tab-${name}`}
              aria-selected={name === shown}
              aria-controls="tab-panel"
              tabIndex={name === shown ? 0 : -1}
              onClick={() => (tab.value = name)}
            >
              {LABELS[name]} {known && <span class="badge">{badge(name)}</span>}
            </button>
          ))}
        </div>
        <Download />
      </div>
      <div role="tabpanel" id="tab-panel" aria-labelledby={`tab-${shown}`} class={isStale.value ? "stale" : ""}>
        <TableOf shown={shown} />
      </div>
    </section>
  );
}

function badge(name: Tab): string {
  const { counts, capped } = answer.value!.preview;
  return `${count(counts[name] ?? 0)}${capped?.includes(name) ? "+" : ""}`;
}

function arrow(event: KeyboardEvent): void {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const all = tabs.value;
  const next = all[(all.indexOf(shownTab.value) + step + all.length) % all.length]!;
  tab.value = next;
  document.getElementById(`tab-${next}`)?.focus();
}

function Download() {
  const problem = useSignal("");
  return (
    <div class="download">
      {problem.value && <span class="refusal" role="alert">{problem.value}</span>}
      <button
        type="button"
        class="quiet"
        disabled={!answer.value}
        onClick={() => {
          problem.value = "";
          download().catch((failed) => (problem.value = told(failed)));
        }}
      >
        Download CSV
      </button>
    </div>
  );
}

function TableOf({ shown }: { shown: Tab }) {
  const known = list.value;
  if (!known) return <p class="empty" aria-busy={!isWrong.value}>{isWrong.value ? "Nothing yet." : ""}</p>;
  const isOther = known.tab !== shown || known.of !== answer.value;
  if (!known.rows.length) {
    return <p class="empty">{failure.value || `No ${known.tab} match.`}</p>;
  }
  const entity = ENTITIES[known.tab];
  const columns = columnsOf(known.rows, entity);
  const total = known.of.preview.counts[known.tab] ?? 0;
  const isCapped = known.of.preview.capped?.includes(known.tab);
  return (
    <div class={isOther ? "stale" : ""} aria-busy={isOther}>
      {failure.value && <p class="refusal" role="alert">{failure.value}</p>}
      <div class="table-box" tabIndex={0} role="region" aria-label={`${LABELS[known.tab]}, table`}>
        <table>
          <thead>
            <tr>
              {columns.map((column) => (
                <Head column={column} tab={known.tab} />
              ))}
            </tr>
          </thead>
          <tbody>
            {known.rows.map((row) => (
              <Line key={String(row.source_id)} row={row} columns={columns} tab={known.tab} />
            ))}
          </tbody>
        </table>
      </div>
      <div class="table-foot">
        <span>
          {count(known.rows.length)} of {count(total)}
          {isCapped ? "+" : ""}
        </span>
        {known.tab !== "groups" && known.of.asked.level === "group" && <span>Groups are selected: open one in the tab Groups to see why.</span>}
        {known.next && (
          <button type="button" class="quiet" onClick={() => void loadMore()}>
            Show more
          </button>
        )}
      </div>
    </div>
  );
}

function Head({ column, tab: of }: { column: Column; tab: Tab }) {
  const by = orders.value[of];
  const isBy = by?.field === column.name;
  const sort = isBy ? (by.descending ? "descending" : "ascending") : "none";
  if (column.field?.type === "set") return <th scope="col"><span class="head" title={column.field.help}>{column.label}</span></th>;
  return (
    <th scope="col" aria-sort={sort} class={column.isNumber ? "number-cell" : ""}>
      <button type="button" title={[column.label, column.field?.help].filter(Boolean).join(": ")} onClick={() => (orders.value = { ...orders.value, [of]: next(by, column) })}>
        <span class="head">{column.label}</span>
        <span class="sort" aria-hidden="true">{isBy ? (by.descending ? "↓" : "↑") : ""}</span>
      </button>
    </th>
  );
}

/** The largest numbers first, then the smallest; the third click is the order of ids again. */
function next(by: Order | undefined, column: Column): Order | undefined {
  const first = column.isNumber;
  if (by?.field !== column.name) return { field: column.name, descending: first };
  return by.descending === first ? { field: column.name, descending: !first } : undefined;
}

function Line({ row, columns, tab }: { row: Row; columns: Column[]; tab: Tab }) {
  const subject = tab === "groups" || tab === "customers" ? row.source_id : row.customer_source_id;
  const currency = String(row.currency ?? baseCurrency.value);
  const name = String(row.customer_name ?? row.name ?? subject);
  // At level group the question is about groups: of their members there is nothing to tell.
  const hasReasons = tab === "groups" || answer.value?.asked.level === "customer";
  const open = () => openWhy(tab === "groups" ? "group" : "customer", String(subject), name);
  return (
    <tr class={hasReasons ? "opens" : ""} onClick={hasReasons ? open : undefined}>
      {columns.map((column, place) => (
        <td class={column.isNumber ? "number-cell" : ""}>
          {place === 0 && hasReasons ? (
            <button type="button" class="row-button" aria-label={`Why ${name}`} onClick={(event) => (event.stopPropagation(), open())}>
              {String(row[column.name])}
            </button>
          ) : (
            <CellOf value={row[column.name] ?? null} field={column.field} currency={currency} />
          )}
        </td>
      ))}
    </tr>
  );
}
