// What is wrong with the text, or to beware of, each with its corrections one click away.
import { apply, checked, filter } from "./question";
import type { Finding } from "./server";

export function Findings() {
  const found = checked.value;
  if (!found || found.filter !== filter.value) return null;
  return (
    <>
      {found.errors.length > 0 && <List findings={found.errors} kind="error" label="Errors" />}
      {found.warnings.length > 0 && <Warnings findings={found.warnings} />}
    </>
  );
}

function Warnings({ findings }: { findings: Finding[] }) {
  const [first, ...others] = distinct(findings);
  if (!first) return null;
  return (
    <>
      <List findings={[first]} kind="warning" label="To beware of" />
      {others.length > 0 && (
        <details class="more-findings">
          <summary>{others.length} more to beware of</summary>
          <List findings={others} kind="warning" label="More to beware of" />
        </details>
      )}
    </>
  );
}

/** The same of two places is told once; both are underlined. */
function distinct(findings: Finding[]): Finding[] {
  return [...new Map(findings.map((finding) => [finding.code + finding.message, finding])).values()];
}

function List({ findings, kind, label }: { findings: Finding[]; kind: "error" | "warning"; label: string }) {
  return (
    <ul class={`findings ${kind}`} aria-label={label} aria-live={kind === "error" ? "polite" : undefined}>
      {findings.map((finding) => (
        <li>
          <span>
            {finding.message} {finding.hint && <span class="hint">{finding.hint}</span>}
          </span>
          {finding.fixes.map((fix) => (
            <button type="button" class="fix" onClick={() => apply(fix)}>
              {fix.title}
            </button>
          ))}
        </li>
      ))}
    </ul>
  );
}
