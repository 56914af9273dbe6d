// The filter as rows of a form. The server tells a filter apart and puts it together; rows nobody touched keep their text.
import { effect, signal } from "@preact/signals";
import { type Level, accepted, filter, level } from "./question";
import { Refused, post, told } from "./server";

export type Part = "customers" | "groups" | "invoices" | "payments";
export type Section = "customers" | "invoices" | "payments";

/** `text` is what the server said of it, as long as nobody changed it. Without a field it can only be read. */
export interface Line {
  id: number;
  part: Part;
  text: string | null;
  field: string | null;
  operator: string;
  values: string[];
}

type Sections = Record<Section, Line[]>;

interface Told {
  text: string;
  field: string | null;
  operator: string | null;
  values: string[];
}

interface InParts {
  filter: string;
  whole: boolean;
  parts: Partial<Record<Part, Told[]>>;
}

const none = (): Sections => ({ customers: [], invoices: [], payments: [] });

export const lines = signal<Sections>(none());
export const targets = signal<Record<"invoices" | "payments", boolean>>({ invoices: false, payments: false });
/** A filter that cannot be told apart, to be read as a whole. */
export const whole = signal("");
/** What is wrong with single lines, by their ids. */
export const wrong = signal<Record<number, string>>({});

/** The line that was added last: its field is to be chosen next. */
export const added = signal(0);

let ids = 0;
let composing = new AbortController();
// The filter that the lines stand for.
let shown: { filter: string; level: Level } | null = null;

export function keepInStep(): void {
  effect(() => {
    const now = accepted.value;
    if (!now || now.filter !== filter.value) return;
    if (shown?.filter === now.filter && shown.level === now.level) return;
    void tellApart(now.filter, now.level);
  });
  // Who goes on in the text is not overtaken by what the form was about to write.
  effect(() => {
    if (filter.value !== shown?.filter) composing.abort();
  });
}

async function tellApart(text: string, at: Level): Promise<void> {
  const told = await post<InParts>("/v1/parts", { filter: text, level: at }).catch(() => null);
  if (!told || text !== filter.value) return;
  shown = { filter: text, level: at };
  wrong.value = {};
  whole.value = told.whole ? told.filter : "";
  const made = none();
  for (const [part, conditions] of Object.entries(told.parts) as [Part, Told[]][]) {
    const section = sectionOf(part);
    for (const { text, field, operator, values } of conditions) {
      made[section].push({ id: ++ids, part, text, field, operator: operator ?? "", values });
    }
  }
  // Who is filling in a line goes on with it.
  for (const section of ["customers", "invoices", "payments"] as const) {
    if (section === "customers" || targets.value[section]) made[section].push(...lines.value[section].filter(isUnfinished));
  }
  // What was switched off stays as it was, to be switched on again.
  const off = (section: "invoices" | "payments") => !targets.value[section] && !made[section].length;
  lines.value = {
    customers: made.customers,
    invoices: off("invoices") ? lines.value.invoices : made.invoices,
    payments: off("payments") ? lines.value.payments : made.payments,
  };
  targets.value = { invoices: made.invoices.length > 0, payments: made.payments.length > 0 };
}

export const sectionOf = (part: Part): Section => (part === "groups" ? "customers" : part);

export function partOf(section: Section, field: string): Part {
  return section === "customers" && field.startsWith("group.") ? "groups" : section;
}

// ---------------------------------------------------------------- text of a line

const WITHOUT_VALUE = new Set(["IS MISSING", "IS NOT MISSING"]);
const TWO_VALUES = new Set(["BETWEEN", "NOT BETWEEN"]);
const LISTS = new Set(["IN", "NOT IN", "HAS ANY", "HAS ALL", "HAS NONE"]);

export type Shape = "none" | "one" | "two" | "list";

export function shapeOf(operator: string): Shape {
  if (WITHOUT_VALUE.has(operator)) return "none";
  if (TWO_VALUES.has(operator)) return "two";
  return LISTS.has(operator) ? "list" : "one";
}

/** Null while something is missing. */
export function textOf(line: Line): string | null {
  if (line.text !== null) return line.text;
  if (!line.field || !line.operator) return null;
  const shape = shapeOf(line.operator);
  const needed = shape === "none" ? 0 : shape === "two" ? 2 : 1;
  const values = line.values.filter((value) => value.trim() !== "");
  if (values.length < needed) return null;
  const [first = "", second = ""] = values;
  const right = { none: "", one: first, two: `${first} AND ${second}`, list: `(${values.join(", ")})` }[shape];
  return `${line.field} ${line.operator} ${right}`.trim();
}

const isUnfinished = (line: Line): boolean => textOf(line) === null;

// ---------------------------------------------------------------- changes

export function addLine(section: Section): void {
  const line: Line = { id: ++ids, part: section, text: null, field: null, operator: "", values: [] };
  added.value = line.id;
  lines.value = { ...lines.value, [section]: [...lines.value[section], line] };
}

export function changeLine(section: Section, changed: Line): void {
  lines.value = { ...lines.value, [section]: lines.value[section].map((line) => (line.id === changed.id ? changed : line)) };
  compose();
}

export function removeLine(section: Section, id: number): void {
  lines.value = { ...lines.value, [section]: lines.value[section].filter((line) => line.id !== id) };
  compose();
}

export function target(section: "invoices" | "payments", on: boolean): void {
  targets.value = { ...targets.value, [section]: on };
  if (on && !lines.value[section].length) addLine(section);
  compose();
}

function sent(): { parts: Partial<Record<Part, string[]>>; sources: Partial<Record<Part, number[]>> } {
  const parts: Partial<Record<Part, string[]>> = {};
  const sources: Partial<Record<Part, number[]>> = {};
  for (const section of ["customers", "invoices", "payments"] as const) {
    if (section !== "customers" && !targets.value[section]) continue;
    for (const line of lines.value[section]) {
      const text = textOf(line);
      if (text === null) continue;
      (parts[line.part] ??= []).push(text);
      (sources[line.part] ??= []).push(line.id);
    }
  }
  return { parts, sources };
}

function compose(): void {
  composing.abort();
  composing = new AbortController();
  void put(composing.signal);
}

async function put(signal: AbortSignal): Promise<void> {
  const { parts, sources } = sent();
  try {
    const made = await post<{ filter: string }>("/v1/parts", { parts, level: level.value }, signal);
    wrong.value = {};
    shown = { filter: made.filter, level: level.value };
    filter.value = made.filter;
  } catch (failure) {
    const found: Record<number, string> = {};
    if (failure instanceof Refused) {
      for (const error of failure.errors) {
        const id = sources[(error.part ?? "") as Part]?.[error.condition ?? -1];
        if (id !== undefined) found[id] = error.message;
      }
    }
    if (told(failure)) wrong.value = found;
  }
}
