// The address after the #: which page, and what is asked on it. Reloading and links need nothing else.
import { signal } from "@preact/signals";

export interface Address {
  page: string;
  given: URLSearchParams;
}

function read(): Address {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { page: path, given: new URLSearchParams(query) };
}

export const address = signal<Address>(read());

addEventListener("hashchange", () => {
  address.value = read();
});

export function href(page: string, given: Record<string, string> = {}): string {
  const kept = Object.entries(given).filter(([, value]) => value);
  return `#/${page}${kept.length ? `?${new URLSearchParams(kept)}` : ""}`;
}

export function go(page: string, given: Record<string, string> = {}): void {
  location.hash = href(page, given);
}

let noting = 0;

/** Notes what is shown now, without a step in the history and without telling anybody; once one pauses in typing. */
export function note(page: string, given: Record<string, string>): void {
  clearTimeout(noting);
  noting = window.setTimeout(() => {
    if (address.peek().page === page) history.replaceState(null, "", href(page, given));
  }, 200);
}
