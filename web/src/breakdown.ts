// The numbers behind the charts: what each condition leaves, and what the selected owe by age.
import { effect, signal } from "@preact/signals";
import { type Answer, answer, asked } from "./question";
import { isAborted, post, revivals, told } from "./server";

export interface Funnel {
  everyone: number;
  count: number;
  conditions: { text: string; english: string; alone: number; left: number; through_missing: number }[];
}

export interface Aging {
  currency: string;
  buckets: { bucket: string; balance: string; invoices: number; unrated: number }[];
}

export const funnel = signal<{ of: Answer; found: Funnel } | null>(null);
/** Why there are none. */
export const problem = signal("");
export const aging = signal<{ of: Answer; found: Aging } | null>(null);

let asking = new AbortController();

export function keepFiguring(): void {
  effect(() => {
    const of = answer.value;
    revivals.value;
    asking.abort();
    asking = new AbortController();
    if (of) void figure(of, asking.signal);
  });
}

async function figure(of: Answer, signal: AbortSignal): Promise<void> {
  const wanted = { ...asked(of.asked), as_of: of.preview.as_of };
  try {
    const found = await post<Aging>("/v1/aging", wanted, signal);
    aging.value = { of, found };
    problem.value = "";
    funnel.value = { of, found: await post<Funnel>("/v1/funnel", wanted, signal) };
  } catch (failure) {
    // A filter that is too slow for them still has its answer.
    if (isAborted(failure)) return;
    problem.value = told(failure);
    funnel.value = null;
    if (aging.value?.of !== of) aging.value = null;
  }
}
