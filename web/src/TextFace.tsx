// The filter as text: CodeMirror, with completion, marks and corrections from the server.
import { autocompletion, closeBrackets, completionKeymap, startCompletion, type Completion, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching } from "@codemirror/language";
import { lintKeymap, setDiagnostics, type Diagnostic } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { EditorView, drawSelection, keymap, placeholder } from "@codemirror/view";
import { effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { highlighting } from "./highlighting";
import { apply, charactersAt, checked, filter, format, level, unitsAt } from "./question";
import { type Finding, post } from "./server";

const KINDS: Record<string, string> = { entity: "namespace", field: "property", value: "constant", keyword: "keyword" };

interface Completions {
  start: number;
  end: number;
  items: { insert: string; label: string; kind: string; help: string }[];
}

async function complete(context: CompletionContext): Promise<CompletionResult> {
  // Not null: after a late null the editor would not ask again for what was typed in the meantime.
  const nothing = { from: context.pos, options: [] };
  const text = context.state.doc.toString();
  const before = text.slice(0, context.pos);
  if (!context.explicit && !/[\w.']$|[\s(]$/.test(before)) return nothing;
  const stop = new AbortController();
  context.addEventListener("abort", () => stop.abort());
  const asked = { text, cursor: charactersAt(text, context.pos), level: level.peek() };
  const found = await post<Completions>("/v1/complete", asked, stop.signal).catch(() => null);
  if (!found?.items.length || context.aborted) return nothing;
  // After a blank what may come next is offered on demand only, unless something has been begun.
  if (!context.explicit && found.start === found.end && !/(\b(AND|OR|NOT|IN)|[.=<>(,])\s*$/i.test(before)) return nothing;
  return {
    from: unitsAt(text, found.start),
    to: unitsAt(text, found.end),
    options: found.items.map(option),
    filter: false,
  };
}

function option({ insert, label, kind, help }: Completions["items"][number], place: number): Completion {
  return {
    label: insert,
    displayLabel: insert,
    detail: label !== insert && !insert.endsWith(label) ? label : undefined,
    info: help || undefined,
    type: KINDS[kind] ?? "text",
    boost: -place,
    apply(view, _, from, to) {
      // Whoever takes a keyword or a value goes on behind it.
      const text = insert.endsWith(".") || insert.endsWith("(") ? insert : `${insert} `;
      view.dispatch({ changes: { from, to, insert: text }, selection: { anchor: from + text.length }, userEvent: "input.complete" });
      if (insert.endsWith(".")) startCompletion(view);
    },
  };
}

/** Chromium puts a style on what is typed over a selection, which the page's policy forbids: so it is done here. */
function replaceSelection(event: InputEvent, view: EditorView): boolean {
  const { from, to, empty } = view.state.selection.main;
  const text = event.data;
  if (event.inputType !== "insertText" || empty || !text || view.composing) return false;
  event.preventDefault();
  const insert = () => view.state.update(view.state.replaceSelection(text), { userEvent: "input.type", scrollIntoView: true });
  if (!view.state.facet(EditorView.inputHandler).some((handle) => handle(view, from, to, text, insert))) view.dispatch(insert());
  return true;
}

function diagnostics(text: string): Diagnostic[] {
  const found = checked.value;
  if (!found || found.filter !== text) return [];
  const marks = (findings: Finding[], severity: "error" | "warning") =>
    findings.filter(({ start }) => start !== null).map((finding) => mark(text, finding, severity));
  return [...marks(found.errors, "error"), ...marks(found.warnings, "warning")];
}

function mark(text: string, finding: Finding, severity: "error" | "warning"): Diagnostic {
  const from = unitsAt(text, finding.start ?? 0);
  const to = Math.max(unitsAt(text, finding.end ?? 0), Math.min(from + 1, text.length));
  const actions = finding.fixes.map((fix) => ({ name: fix.title, apply: () => apply(fix) }));
  return { from: Math.min(from, text.length), to, severity, message: [finding.message, finding.hint].filter(Boolean).join(" "), actions };
}

export function TextFace() {
  const place = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const view = new EditorView({ parent: place.current!, state: EditorState.create({ doc: filter.peek(), extensions: extensions() }) });
    const end = effect(() => {
      const text = filter.value;
      const shown = view.state.doc.toString();
      if (shown === text) return;
      const anchor = Math.min(view.hasFocus && shown.length ? view.state.selection.main.head : text.length, text.length);
      view.dispatch({ changes: { from: 0, to: shown.length, insert: text }, selection: { anchor } });
    });
    const endMarks = effect(() => {
      checked.value;
      view.dispatch(setDiagnostics(view.state, diagnostics(view.state.doc.toString())));
    });
    return () => {
      end();
      endMarks();
      view.destroy();
    };
  }, []);

  return <div class="editor" ref={place} />;
}

function extensions() {
  const nonce = document.querySelector<HTMLMetaElement>("meta[name=duelist-nonce]")?.content;
  return [
    ...(nonce ? [EditorView.cspNonce.of(nonce)] : []),
    history(),
    drawSelection(),
    bracketMatching(),
    closeBrackets(),
    EditorView.lineWrapping,
    autocompletion({ override: [complete], icons: false, activateOnTypingDelay: 60, maxRenderedOptions: 40 }),
    highlighting,
    placeholder("invoice.balance > 1000 AND customer.rating = 'D'"),
    EditorView.contentAttributes.of({ "aria-label": "Filter as text", "aria-describedby": "editor-help", spellcheck: "false" }),
    EditorView.domEventHandlers({ beforeinput: replaceSelection }),
    keymap.of([
      { key: "Shift-Alt-f", run: () => (void format(), true) },
      // Tab moves on, as everywhere; completion is taken with Enter.
      ...completionKeymap,
      ...lintKeymap,
      ...historyKeymap,
      ...defaultKeymap,
    ]),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) filter.value = update.state.doc.toString();
    }),
  ];
}
