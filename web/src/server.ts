// Calls of the HTTP interface, and what is known of the server's health.
import { signal } from "@preact/signals";

export interface Fix {
  title: string;
  start: number;
  end: number;
  text: string;
}

/** What is wrong, or to beware of. Places count characters, not UTF-16 units. */
export interface Finding {
  code: string;
  message: string;
  start: number | null;
  end: number | null;
  hint: string | null;
  fixes: Fix[];
  part?: string;
  condition?: number;
}

export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly document: { detail?: string; type?: string; errors?: Finding[]; [name: string]: unknown },
  ) {
    super(document.detail ?? `The server answered ${status}.`);
  }

  get code(): string {
    return (this.document.type ?? "").split(":").pop() ?? "";
  }

  get errors(): Finding[] {
    return this.document.errors ?? [];
  }
}

/** The server or its database does not answer; whoever asked is asked again by `revivals`. */
export class Away extends Error {}

export type Absent = "" | "server" | "database";
export const away = signal<Absent>("");
export const revivals = signal(0);
export const keyIsMissing = signal(false);

const KEPT_KEY = "duelist-key";
const given = document.querySelector<HTMLMetaElement>("meta[name=duelist-key]")?.content ?? "";

export function useKey(key: string): void {
  sessionStorage.setItem(KEPT_KEY, key);
  keyIsMissing.value = false;
  revivals.value += 1;
}

interface Call {
  method?: string;
  body?: unknown;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

export async function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return call<T>(path, { method: "POST", body, signal });
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return call<T>(path, { signal });
}

export async function call<T>(path: string, asked: Call = {}): Promise<T> {
  const response = await answered(path, asked);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export async function file(path: string, body: unknown): Promise<Blob> {
  return (await answered(path, { method: "POST", body })).blob();
}

async function answered(path: string, asked: Call): Promise<Response> {
  const response = await reached(path, asked);
  if (response.ok) return response;
  if (response.status === 429) {
    await pause(Number(response.headers.get("Retry-After") ?? 2) * 1000, asked.signal);
    return answered(path, asked);
  }
  if (response.status === 503 || response.status === 504) throw lost("database");
  const document = await response.json().catch(() => ({}));
  if (response.status === 401) {
    sessionStorage.removeItem(KEPT_KEY);
    keyIsMissing.value = true;
  }
  throw new Refused(response.status, document);
}

async function reached(path: string, { method = "GET", body, signal, headers }: Call): Promise<Response> {
  const key = sessionStorage.getItem(KEPT_KEY) ?? given;
  const sent: Record<string, string> = { ...headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  try {
    return await fetch(path, { method, headers: sent, body: body === undefined ? null : JSON.stringify(body), signal });
  } catch (failure) {
    if (signal?.aborted) throw failure;
    throw lost("server");
  }
}

function lost(what: Absent): Away {
  if (!away.value) void comeBack();
  away.value = what;
  return new Away("It does not answer.");
}

async function comeBack(): Promise<void> {
  for (;;) {
    await pause(1500);
    const ready = await fetch("/ready").catch(() => null);
    if (ready?.ok) break;
    away.value = ready ? "database" : "server";
  }
  away.value = "";
  revivals.value += 1;
}

export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done, fail) => {
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      fail(signal.reason);
    });
  });
}

export const isAborted = (failure: unknown): boolean => failure instanceof DOMException && failure.name === "AbortError";

/** What to tell a person; nothing where the banner says it already, or where nobody waits any more. */
export function told(failure: unknown): string {
  if (failure instanceof Away || isAborted(failure)) return "";
  return failure instanceof Error ? failure.message : String(failure);
}
