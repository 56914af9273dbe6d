// The frame: navigation, what is wrong with the server, and the page that the address names.
import { useSignal } from "@preact/signals";
import { FilterPage } from "./FilterPage";
import { WhyPanel } from "./WhyPanel";
import { address, href } from "./address";
import { company } from "./catalog";
import { away, keyIsMissing, useKey } from "./server";
import { theme, toggleTheme } from "./theme";
import { OverlapPage } from "./workflows/OverlapPage";
import { RunPage } from "./workflows/RunPage";
import { WorkflowPage } from "./workflows/WorkflowPage";
import { WorkflowsPage } from "./workflows/WorkflowsPage";

export function App() {
  const [page = "", id = ""] = address.value.page.split("/");
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById("main")?.scrollIntoView(), document.querySelector<HTMLElement>("#main button, #main input")?.focus())}>
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href={href("")}>
          <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
            <rect x="2" y="3" width="16" height="3" rx="1.5" />
            <rect x="4.5" y="8.5" width="11" height="3" rx="1.5" />
            <rect x="7" y="14" width="6" height="3" rx="1.5" />
          </svg>
          Duelist
        </a>
        <nav aria-label="Pages">
          <a href={href("")} aria-current={page === "" ? "page" : undefined}>Filter</a>
          <a href={href("workflows")} aria-current={["workflows", "runs"].includes(page) ? "page" : undefined}>Workflows</a>
          <a href={href("overlap")} aria-current={page === "overlap" ? "page" : undefined}>Overlap</a>
        </nav>
        <div class="top-end">
          {company.value && <span class="company">{company.value.name}</span>}
          <a href="/docs">HTTP interface</a>
          <button type="button" class="quiet" aria-label={`Switch to ${theme.value === "dark" ? "light" : "dark"} colours`} onClick={toggleTheme}>
            {theme.value === "dark" ? "Light" : "Dark"}
          </button>
        </div>
      </header>
      <Banner />
      {keyIsMissing.value && <KeyForm />}
      <Page page={page} id={id} />
      <WhyPanel />
    </>
  );
}

function Page({ page, id }: { page: string; id: string }) {
  switch (page) {
    case "workflows":
      return id ? <WorkflowPage key={id} id={id} /> : <WorkflowsPage />;
    case "runs":
      return <RunPage key={id} id={id} />;
    case "overlap":
      return <OverlapPage />;
    default:
      return <FilterPage />;
  }
}

function Banner() {
  const said = {
    "": "",
    server: "The server does not answer; trying again…",
    database: "The database is away; trying again…",
  }[away.value];
  return <div role="status" class={said ? "banner" : ""}>{said}</div>;
}

function KeyForm() {
  const key = useSignal("");
  return (
    <form
      class="banner key-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (key.value.trim()) useKey(key.value.trim());
      }}
    >
      <label for="key">This page needs a key</label>
      <input id="key" type="password" autocomplete="off" value={key.value} onInput={(event) => (key.value = event.currentTarget.value)} />
      <button type="submit" class="primary">Use this key</button>
      <p>Make one with <code>duelist key create --scope write</code>, or <code>read</code> to look only. It is kept until this tab is closed.</p>
    </form>
  );
}
