// Why one customer or group is selected, or is not.
import { effect, signal } from "@preact/signals";
import { type Question, answer, asked } from "./question";
import { post, told } from "./server";

export interface Witness {
  entity: string;
  source_id: string;
  [field: string]: string | number | boolean | null;
}

export interface Reason {
  text: string;
  english: string;
  kind: string;
  holds: boolean;
  children: Reason[];
  actual?: string | number | boolean | string[] | null;
  compared_with?: string | number | boolean | null;
  short_by?: string | number;
  detail?: string;
  witness?: Witness;
  witnesses?: Witness[];
  nearest?: Witness;
  counterexample?: Witness;
  count?: number;
  of?: number;
}

export interface Why {
  matches: boolean;
  held_back?: boolean;
  english: string;
  tree: Reason;
}

export interface Subject {
  entity: "customer" | "group";
  sourceId: string;
  name: string;
}

export const subject = signal<Subject | null>(null);
export const why = signal<Why | null>(null);
export const problem = signal("");

export function openWhy(entity: Subject["entity"], sourceId: string, name: string): void {
  subject.value = { entity, sourceId, name };
}

let asking = new AbortController();

export function keepTellingWhy(): void {
  effect(() => {
    const of = subject.value;
    asking.abort();
    why.value = null;
    problem.value = "";
    if (!of || !answer.peek()) return;
    asking = new AbortController();
    void tell(of, answer.peek()!.asked, answer.peek()!.preview.as_of, asking.signal);
  });
}

async function tell(of: Subject, question: Question, asOf: string, signal: AbortSignal): Promise<void> {
  try {
    why.value = await post<Why>("/v1/why", { ...asked(question), as_of: asOf, [of.entity]: of.sourceId }, signal);
  } catch (failure) {
    problem.value = told(failure);
  }
}
