// What a filter can name: all of it comes from the server.
import { computed, signal } from "@preact/signals";
import { get } from "./server";

export type Kind =
  | "text" | "choice" | "code" | "number" | "count" | "days" | "percent" | "money" | "date" | "flag" | "set";

export interface Field {
  name: string;
  label: string;
  type: Kind;
  choices: string[];
  operators: string[];
  help: string;
  example: string;
}

export interface Entity {
  name: string;
  plural: string;
  help: string;
  fields: Field[];
}

export interface Company {
  name: string;
  base_currency: string;
  today: string;
  time_zone: string;
  scope: "read" | "write" | "admin";
}

export const entities = signal<Entity[]>([]);
export const company = signal<Company | null>(null);
export const baseCurrency = computed(() => company.value?.base_currency ?? "");

/** Of the key that this page has: what it may not do is not offered. */
export const mayWrite = computed(() => company.value !== null && company.value.scope !== "read");
export const onlyReads = computed(() => company.value?.scope === "read");

export async function loadCatalog(): Promise<void> {
  const [catalog, owner] = await Promise.all([get<{ entities: Entity[] }>("/v1/catalog"), get<Company>("/v1/company")]);
  entities.value = catalog.entities;
  company.value = owner;
}

const byPath = computed(
  () => new Map(entities.value.flatMap((entity) => entity.fields.map((field) => [`${entity.name}.${field.name}`, field]))),
);

export const fieldAt = (path: string): Field | undefined => byPath.value.get(path);
export const entityNamed = (name: string): Entity | undefined => entities.value.find((entity) => entity.name === name);
export const spoken = (name: string): string => name.replaceAll("_", " ");

/** The currencies there are. */
export const currencies = computed(() => fieldAt("customer.currency")?.choices ?? []);

/** The field behind a column of a list: of the row itself, or of the customer it belongs to. */
export function columnField(entity: string, column: string): Field | undefined {
  const owned = column.startsWith("customer_") ? fieldAt(`customer.${column.slice("customer_".length)}`) : undefined;
  return fieldAt(`${entity}.${column}`) ?? owned;
}
