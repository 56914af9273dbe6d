// The filter that is being written, and its answer: asked as one types, the old one kept until the new one is there.
import { computed, effect, signal } from "@preact/signals";
import { address } from "./address";
import { type Finding, type Fix, Refused, isAborted, post, revivals, told } from "./server";

export type Level = "customer" | "group";
export type Cell = string | number | boolean | string[] | null;
export type Row = Record<string, Cell>;
export type Counts = Record<string, number>;

export interface Question {
  filter: string;
  level: Level;
  asOf: string;
  respectPauses: boolean;
}

export interface Preview {
  as_of: string;
  level: Level;
  canonical: string;
  english: string;
  warnings: Finding[];
  counts: Counts;
  capped?: string[];
  customers: Row[];
  groups?: Row[];
  held_back?: { counts: Counts; customers: Row[]; groups?: Row[] };
  next_cursor: string | null;
}

export interface Answer {
  asked: Question;
  preview: Preview;
}

interface Checked {
  filter: string;
  level: Level;
  ok: boolean;
  errors: Finding[];
  warnings: Finding[];
}

export const EXAMPLE = "invoice.balance > 1000 AND payment.amount > 500 AND customer.rating = 'D'";
export const PAGE = 50;
const COUNT_TO = 10_000;
const TYPING = 250;

export const filter = signal("");
export const level = signal<Level>("customer");
export const asOf = signal("");
export const respectPauses = signal(false);

export const question = computed<Question>(() => ({
  filter: filter.value,
  level: level.value,
  asOf: asOf.value,
  respectPauses: respectPauses.value,
}));

export const checked = signal<Checked | null>(null);
export const answer = signal<Answer | null>(null);
export const isAsking = signal(false);
export const refusal = signal("");

/** The answer is not that of the filter as it stands. */
export const isStale = computed(() => answer.value !== null && answer.value.asked !== question.value);

/** What was found wrong or right is the filter as it stands. */
const isChecked = computed(() => checked.value?.filter === filter.value && checked.value.level === level.value);
export const isWrong = computed(() => isChecked.value && checked.value?.ok === false);
export const isRight = computed(() => isChecked.value && checked.value?.ok === true && filter.value.trim() !== "");

/** The last filter that was found right. */
export const accepted = signal<Question | null>(null);

/** What the calls about a filter want. */
export function asked({ filter, level, asOf, respectPauses }: Question): Record<string, unknown> {
  return {
    filter,
    level,
    match_all: filter.trim() === "",
    ...(asOf ? { as_of: asOf } : {}),
    ...(respectPauses ? { respect_pauses: true } : {}),
  };
}

let timer = 0;
let isOpening = true;
let asking = new AbortController();

/** Begins to ask whenever what is asked changes, at once the first time. */
export function keepAsking(): void {
  effect(() => {
    const now = question.value;
    revivals.value;
    if (address.value.page !== "" || answer.peek()?.asked === now) return;
    clearTimeout(timer);
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    isAsking.value = true;
    if (isOpening) void ask(now, signal, true); // before anything is drawn
    else timer = window.setTimeout(() => void ask(now, signal), TYPING);
    isOpening = false;
  });
}

async function ask(now: Question, signal: AbortSignal, isFirst = false): Promise<void> {
  const preview = () => post<Preview>("/v1/preview", { ...asked(now), limit: PAGE, usual: true, count_to: COUNT_TO }, signal);
  // Who opens the page waits for both at once; who types has the marks first, and nothing is asked of what is wrong.
  const early = isFirst ? preview() : null;
  early?.catch(() => undefined);
  try {
    const found = await post<Omit<Checked, "filter" | "level">>("/v1/check", asked(now), signal);
    checked.value = { ...found, filter: now.filter, level: now.level };
    if (found.ok) {
      accepted.value = now;
      answer.value = { asked: now, preview: await (early ?? preview()) };
    }
    refusal.value = "";
    isAsking.value = false;
  } catch (failure) {
    if (isAborted(failure) || signal.aborted) return;
    isAsking.value = false;
    refusal.value = told(failure);
    if (failure instanceof Refused && failure.errors.some((error) => error.start !== null)) {
      checked.value = { filter: now.filter, level: now.level, ok: false, errors: failure.errors, warnings: [] };
    }
  }
}

/** Counts without a limit, for who wants to know exactly. */
export async function countExactly(): Promise<void> {
  const known = answer.value;
  if (!known) return;
  const { counts } = await post<Preview>("/v1/preview", { ...asked(known.asked), limit: 1 });
  if (answer.value === known) answer.value = { ...known, preview: { ...known.preview, counts, capped: [] } };
}

/** A place in characters, as the server counts them, in the UTF-16 units of the browser; and back. */
export const unitsAt = (text: string, characters: number): number =>
  Array.from(text).slice(0, characters).join("").length;
export const charactersAt = (text: string, units: number): number => Array.from(text.slice(0, units)).length;

/** Puts a correction into the text. */
export function apply({ start, end, text }: Fix): void {
  const characters = Array.from(filter.value);
  filter.value = [...characters.slice(0, start), text, ...characters.slice(end)].join("");
}

export async function format(): Promise<void> {
  const text = filter.peek();
  const found = await post<{ canonical: string }>("/v1/format", { filter: text, level: level.peek() }).catch(() => null);
  if (found && filter.peek() === text) filter.value = found.canonical;
}
