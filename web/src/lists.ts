// The rows below the counts: one list for each tab, in pages.
import { computed, effect, signal } from "@preact/signals";
import { type Answer, type Preview, type Row, PAGE, answer, asked } from "./question";
import { file, post, revivals, told } from "./server";

export type Tab = "groups" | "customers" | "invoices" | "payments";

export interface Order {
  field: string;
  descending: boolean;
}

/** `of` and `by`: the answer and the order that the rows are of. */
export interface List {
  of: Answer;
  by: Order | null;
  tab: Tab;
  rows: Row[];
  next: string | null;
}

/** The tab that was chosen, if any; shown is the first of those there are. */
export const tab = signal<Tab | "">("");
export const tabs = computed<Tab[]>(() => Object.keys(answer.value?.preview.counts ?? { customers: 0, invoices: 0, payments: 0 }) as Tab[]);
export const shownTab = computed<Tab>(() => tabs.value.find((name) => name === tab.value) ?? tabs.value[0] ?? "customers");
export const orders = signal<Partial<Record<Tab, Order>>>({});
export const list = signal<List | null>(null);
export const failure = signal("");

export const ENTITIES: Record<Tab, string> = {
  groups: "group", customers: "customer", invoices: "invoice", payments: "payment",
};

let loading = new AbortController();

export function keepListing(): void {
  effect(() => {
    const of = answer.value;
    revivals.value;
    const [shown, by] = [shownTab.value, orders.value[shownTab.value] ?? null];
    loading.abort();
    loading = new AbortController();
    if (of) void begin(of, shown, by, loading.signal);
  });
}

async function begin(of: Answer, tab: Tab, by: Order | null, signal: AbortSignal): Promise<void> {
  const known = by ? undefined : of.preview[tab as "customers" | "groups"];
  if (known) {
    const all = known.length >= (of.preview.counts[tab] ?? 0);
    list.value = { of, by, tab, rows: known, next: all ? null : of.preview.next_cursor };
    failure.value = "";
    return;
  }
  await load({ of, by, tab, rows: [], next: null }, signal);
}

export async function loadMore(): Promise<void> {
  if (list.value?.next) await load(list.value, loading.signal);
}

async function load(so: List, signal: AbortSignal): Promise<void> {
  const ofMembers = so.tab === "customers" || so.tab === "groups";
  const wanted = {
    ...asked(so.of.asked),
    as_of: so.of.preview.as_of,
    limit: PAGE,
    usual: true,
    count_to: 1,
    ...(so.by ? { order: so.by } : {}),
    ...(so.next ? { cursor: so.next } : {}),
  };
  try {
    const page = await post<Preview>(ofMembers ? "/v1/preview" : `/v1/preview/${so.tab}`, wanted, signal);
    const rows = (page as unknown as Record<Tab, Row[]>)[so.tab];
    list.value = { ...so, rows: [...so.rows, ...rows], next: rows.length ? page.next_cursor : null };
    failure.value = "";
  } catch (refused) {
    failure.value = told(refused);
    // An order by a column that the new filter does not show any more.
    if (so.by && failure.value) orders.value = { ...orders.value, [so.tab]: undefined };
  }
}

export async function download(): Promise<void> {
  const of = answer.value;
  if (!of) return;
  const order = orders.value[shownTab.value];
  const wanted = { ...asked(of.asked), as_of: of.preview.as_of, rows: shownTab.value, usual: true, ...(order ? { order } : {}) };
  const address = URL.createObjectURL(await file("/v1/preview.csv", wanted));
  const link = document.createElement("a");
  link.href = address;
  link.download = `${shownTab.value}-${of.preview.as_of}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
