// What is asked as soon as the page is opened. It is imported first, so that the answers are under way before the
// editor and the charts are read.
import { batch, effect } from "@preact/signals";
import { address, note } from "./address";
import { loadCatalog } from "./catalog";
import { type Tab, tab } from "./lists";
import { EXAMPLE, type Level, asOf, filter, keepAsking, level, respectPauses } from "./question";
import { revivals } from "./server";
import { edited } from "./workflows/editing";

let isBegun = false;

/** What the address says of the filter; a page that was never asked anything shows an example. */
function takeFromAddress(): void {
  const { page, given } = address.value;
  if (page !== "" || (isBegun && !given.size)) return;
  isBegun = true;
  batch(() => {
    filter.value = given.get("filter") ?? (given.has("all") ? "" : EXAMPLE);
    level.value = (given.get("level") as Level | null) ?? "customer";
    asOf.value = given.get("as_of") ?? "";
    respectPauses.value = given.get("pauses") === "respected";
    tab.value = (given.get("tab") as Tab | null) ?? "";
    edited.value = given.get("workflow") ?? "";
  });
}

effect(takeFromAddress);
effect(() => {
  const state = {
    filter: filter.value,
    all: filter.value ? "" : "true",
    level: level.value === "customer" ? "" : level.value,
    as_of: asOf.value,
    pauses: respectPauses.value ? "respected" : "",
    tab: tab.value,
    workflow: edited.value,
  };
  if (address.value.page === "") note("", state);
});
keepAsking();
effect(() => {
  revivals.value;
  void loadCatalog().catch(() => undefined);
});
