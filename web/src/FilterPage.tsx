// The filter: form and text of it, the answer, the figures and the lists.
import { useSignal } from "@preact/signals";
import { AnswerSummary } from "./Answer";
import { Builder } from "./Builder";
import { Figures } from "./Figures";
import { Findings } from "./Findings";
import { Results } from "./Results";
import { lazily } from "./lazily";
import { counted } from "./numbers";
import { accepted, answer, asOf, format, isWrong, level, respectPauses } from "./question";
import { SaveBar } from "./workflows/SaveBar";

const TextFace = lazily(async () => (await import("./TextFace")).TextFace, <div class="editor awaited" aria-busy="true" />);

export function FilterPage() {
  const face = useSignal<"builder" | "text">("builder");
  const showText = () => {
    face.value = "text";
    requestAnimationFrame(() => document.querySelector<HTMLElement>(".cm-content")?.focus());
  };
  return (
    <main id="main">
      <h1 class="visually-hidden">Filter</h1>
      <Options />
      <SaveBar />
      <div class={`card faces shows-${face.value}`}>
        <div class="face-switch" role="group" aria-label="Show the filter as">
          <button type="button" aria-pressed={face.value === "builder"} onClick={() => (face.value = "builder")}>Builder</button>
          <button type="button" aria-pressed={face.value === "text"} onClick={() => (face.value = "text")}>Text</button>
        </div>
        <section class="face builder-face" aria-label="Builder">
          <h2>
            Builder {isWrong.value && <span class="doubt">{accepted.value ? "as before the error in the text" : "follows once the text is right"}</span>}
          </h2>
          <Builder onEditText={showText} />
        </section>
        <section class="face text-face" aria-label="Text">
          <div class="face-head">
            <h2>Text</h2>
            <button type="button" class="quiet" title="Shift+Alt+F" onClick={() => void format()}>Format</button>
          </div>
          <TextFace />
          <p id="editor-help" class="hint keys"><kbd>Ctrl</kbd> <kbd>Space</kbd> completes, <kbd>Shift</kbd> <kbd>Alt</kbd> <kbd>F</kbd> formats</p>
          <Findings />
        </section>
        <AnswerSummary />
      </div>
      <Figures />
      <Results />
    </main>
  );
}

function Options() {
  return (
    <div class="options">
      <div class="segmented" role="group" aria-label="About">
        <button type="button" aria-pressed={level.value === "customer"} onClick={() => (level.value = "customer")}>Customers</button>
        <button type="button" aria-pressed={level.value === "group"} onClick={() => (level.value = "group")}>Groups</button>
      </div>
      <label class="as-of-label">
        <span>As of</span>
        <input
          type="date"
          min="1900-01-01"
          max="2200-12-31"
          value={asOf.value || answer.value?.preview.as_of || ""}
          onChange={(event) => (asOf.value = event.currentTarget.value)}
        />
      </label>
      {asOf.value && (
        <button type="button" class="quiet" onClick={() => (asOf.value = "")}>Back to today</button>
      )}
      <label class="switch">
        <input type="checkbox" role="switch" checked={respectPauses.value} onChange={(event) => (respectPauses.value = event.currentTarget.checked)} />
        <span>Hold back paused</span>
      </label>
      {respectPauses.value && answer.value?.preview.held_back && (
        <span class="muted held-back-note">{counted(answer.value.preview.held_back.counts.customers ?? 0, "customer")} held back</span>
      )}
    </div>
  );
}
