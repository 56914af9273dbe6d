import { batch, effect } from "@preact/signals";
import { render } from "preact";
import { App } from "./App";
import { address, note } from "./address";
import { keepInStep } from "./conditions";
import { loadCatalog } from "./catalog";
import { keepFiguring } from "./breakdown";
import { type Tab, keepListing, tab } from "./lists";
import { EXAMPLE, type Level, asOf, filter, keepAsking, level, respectPauses } from "./question";
import { revivals } from "./server";
import "./styles/index.css";
import { keepTheme } from "./theme";
import { keepTellingWhy } from "./why";
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

keepTheme();
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
effect(() => {
  revivals.value;
  void loadCatalog().catch(() => undefined);
});
keepAsking();
keepInStep();
keepListing();
keepFiguring();
keepTellingWhy();
render(<App />, document.getElementById("app")!);
