// Workflows and runs as the server tells of them.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import type { Level, Row } from "../question";
import { type Finding, call, get, isAborted, revivals, told } from "../server";

export interface Schedule {
  days: string[];
  from: string;
  until: string;
}

export interface Workflow {
  id: number;
  version: number;
  name: string;
  level: Level;
  filter: string;
  parts: Record<string, { filter: string; on: boolean }> | null;
  english: string | null;
  problems: Finding[];
  respect_pauses: boolean;
  active: boolean;
  growth_factor: string | null;
  schedule: Schedule | null;
  next_run_at: string | null;
  changed_at: string;
  changed_by: string;
}

export interface RunCounts {
  customers: number;
  invoices: number;
  payments: number;
  groups?: number;
}

export interface Run {
  id: number;
  workflow: { id: number; version: number; name: string };
  status: string;
  refusal: { detail?: string; code?: string } | null;
  as_of: string;
  level: Level;
  filter: string;
  english: string;
  respect_pauses: boolean;
  counts: RunCounts & { held_back: RunCounts };
  started_at: string;
  started_by: string;
}

export interface Total {
  count: number;
  overdue: string;
  unrated: number;
  customers?: Row[];
  groups?: Row[];
}

export type Changes = Partial<Pick<Workflow, "name" | "level" | "filter" | "respect_pauses" | "active" | "schedule">>;

/** The next version of a workflow. What is not changed stays: of a filter in parts also those that are switched off. */
export async function change(workflow: Workflow, changes: Changes): Promise<Workflow> {
  const { id, version, name, level, filter, parts, respect_pauses, active, growth_factor, schedule } = workflow;
  const isPartly = Object.values(parts ?? {}).some(({ on }) => !on);
  const isSame = (changes.filter ?? filter) === filter;
  return call<Workflow>(`/v1/workflows/${id}`, {
    method: "PUT",
    headers: { "If-Match": `"${version}"` },
    body: {
      ...{ name, level, respect_pauses, active, schedule },
      growth_factor: growth_factor === null ? null : Number(growth_factor),
      ...changes,
      ...(isPartly && isSame ? { parts, filter: undefined } : { filter: changes.filter ?? filter }),
    },
  });
}

export const stored = signal(0); // counts what was stored here, so that lists are read again

export interface Read<T> {
  found: T | null;
  problem: string;
}

/** What an address answers, read again when something was stored or the server is back. */
export function useRead<T>(path: string | null): Read<T> {
  const state = useSignal<Read<T>>({ found: null, problem: "" });
  const again = `${stored.value} ${revivals.value}`;
  useEffect(() => {
    if (!path) return;
    const stop = new AbortController();
    get<T>(path, stop.signal).then(
      (found) => (state.value = { found, problem: "" }),
      (failure) => {
        if (!isAborted(failure)) state.value = { found: null, problem: told(failure) };
      },
    );
    return () => stop.abort();
  }, [path, again]);
  return state.value;
}
