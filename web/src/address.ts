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

/** Notes what is shown now, without a step in the history and without telling anybody. */
export function note(page: string, given: Record<string, string>): void {
  history.replaceState(null, "", href(page, given));
}
