// Workflows and runs as the server tells of them.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import type { Level, Row } from "../question";
import { type Finding, get, isAborted, revivals, told } from "../server";

export interface Workflow {
  id: number;
  version: number;
  name: string;
  level: Level;
  filter: string;
  english: string | null;
  problems: Finding[];
  respect_pauses: boolean;
  active: boolean;
  growth_factor: string | null;
  schedule: { days: string[]; from: string; until: string } | null;
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
