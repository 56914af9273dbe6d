// Light or dark: as the system has it, or as chosen here.
import { effect, signal } from "@preact/signals";

export type Mode = "system" | "light" | "dark";

const KEPT = "duelist-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

export const chosen = signal<Mode>((localStorage.getItem(KEPT) as Mode | null) ?? "system");
export const theme = signal<"light" | "dark">("light");

export function keepTheme(): void {
  const settle = () => {
    theme.value = chosen.peek() === "system" ? (dark.matches ? "dark" : "light") : (chosen.peek() as "light" | "dark");
  };
  effect(() => {
    document.documentElement.dataset.theme = chosen.value;
    localStorage.setItem(KEPT, chosen.value);
    settle();
  });
  dark.addEventListener("change", settle);
}

export function toggleTheme(): void {
  chosen.value = theme.value === "dark" ? "light" : "dark";
}
