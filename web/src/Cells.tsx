// Cells of tables. Whatever comes from the ledger is text, never markup.
import { type Field, columnField } from "./catalog";
import { amount, date, number } from "./numbers";
import type { Cell, Row } from "./question";
import { capital } from "./FieldPicker";

export interface Column {
  name: string;
  label: string;
  field: Field | undefined;
  isNumber: boolean;
}

const NUMBERS = new Set(["money", "number", "count", "days", "percent"]);

export function columnsOf(rows: Row[], entity: string): Column[] {
  const names = Object.keys(rows[0] ?? {});
  const columns = names.map((name) => {
    const field = columnField(entity, name);
    return { name, label: headOf(name, field), field, isNumber: NUMBERS.has(field?.type ?? "") };
  });
  // Amounts say their currency themselves.
  const hasMoney = columns.some(({ field }) => field?.type === "money");
  return columns.filter(({ name }) => !(hasMoney && name === "currency"));
}

function headOf(name: string, field: Field | undefined): string {
  if (name === "source_id") return "ID";
  if (name === "customer_source_id") return "Customer ID";
  const words = field?.label ?? name.replaceAll("_", " ");
  return capital(name.startsWith("customer_") && !words.startsWith("customer") ? `customer ${words}` : words);
}

/** The currency of a row's amounts: its own, or for groups the base currency. */
export function CellOf({ value, field, currency }: { value: Cell; field: Field | undefined; currency: string }) {
  if (value === null) return <span class="missing" title="missing">–</span>;
  if (Array.isArray(value)) return <>{value.join(", ")}</>;
  if (typeof value === "boolean") return <>{value ? "yes" : "no"}</>;
  switch (field?.type) {
    case "money":
      return (
        <span title={`${value} ${currency}`}>
          {amount(String(value))} <span class="currency">{currency}</span>
        </span>
      );
    case "number":
    case "count":
    case "days":
      return <>{number(value)}</>;
    case "percent":
      return <>{number(value)} %</>;
    case "date":
      return <time dateTime={String(value)}>{date(String(value))}</time>;
    case "choice":
      return <span class="choice-cell">{String(value).replaceAll("_", " ")}</span>;
    default:
      return <>{String(value)}</>;
  }
}
