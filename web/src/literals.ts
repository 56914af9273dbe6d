// Values as the language writes them, and as the form's controls hold them. What a control cannot hold stays text.

export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

export function unquoted(literal: string): string | null {
  const found = /^'((?:[^']|'')*)'$/s.exec(literal);
  return found ? (found[1] ?? "").replaceAll("''", "'") : null;
}

const NUMBER = /^-?\d+(?:\.\d+)?$/;

/** A number as people type it, `1,000.50`; null for what is none. */
export function typedNumber(text: string): string | null {
  const plain = text.replace(/[\s,_]/g, "");
  return NUMBER.test(plain) ? plain : null;
}

export const numberOf = (literal: string): string | null => (NUMBER.test(literal) ? literal : null);

export function percentOf(literal: string): string | null {
  return numberOf(literal.replace(/%$/, ""));
}

export interface Money {
  amount: string;
  currency: string;
}

export function moneyOf(literal: string): Money | null {
  const found = /^(-?\d+(?:\.\d+)?)(?: ([A-Z]{3}))?$/.exec(literal);
  return found ? { amount: found[1] ?? "", currency: found[2] ?? "" } : null;
}

/** `on` a date; `before` or `after` today by a span; or a day with a name. */
export type Day =
  | { kind: "on"; date: string }
  | { kind: "today" | "yesterday" | "tomorrow" }
  | { kind: "before" | "after"; count: string; unit: string };

export const UNITS = ["DAYS", "WEEKS", "MONTHS", "YEARS"];
export const CALENDAR = ["WEEK", "MONTH", "QUARTER", "YEAR"];

export function dayOf(literal: string): Day | null {
  if (literal === "today" || literal === "yesterday" || literal === "tomorrow") return { kind: literal };
  const date = /^'?(\d{4}-\d\d-\d\d)'?$/.exec(literal)?.[1];
  if (date) return { kind: "on", date };
  const span = /^today ([+-]) (\d+) (DAYS|WEEKS|MONTHS|YEARS)$/.exec(literal);
  return span ? { kind: span[1] === "-" ? "before" : "after", count: span[2] ?? "", unit: span[3] ?? "DAYS" } : null;
}

/** Empty while something is left to be filled in. */
export function dayText(day: Day): string {
  switch (day.kind) {
    case "on":
      return day.date;
    case "before":
    case "after":
      return day.count ? `today ${day.kind === "before" ? "-" : "+"} ${day.count} ${day.unit}` : "";
    default:
      return day.kind;
  }
}

/** `30 DAYS`, or `MONTH` of the calendar with an empty count. */
export interface Period {
  count: string;
  unit: string;
}

export function periodOf(text: string): Period | null {
  const found = /^(?:(\d+) )?([A-Z]+)$/.exec(text);
  const [count = "", unit = ""] = [found?.[1], found?.[2]];
  return (count ? UNITS : CALENDAR).includes(unit) ? { count, unit } : null;
}
