import { useId, useState } from "preact/hooks";
import { quoted, unquoted } from "../literals";

interface Props {
  values: string[];
  areTexts: boolean;
  options: string[];
  label: string;
  onChange: (values: string[]) => void;
}

/** Several values: Enter or a comma takes one, Backspace in the empty field takes the last one back. */
export function Tags({ values, areTexts, options, label, onChange }: Props) {
  const id = useId();
  const [typed, setTyped] = useState("");
  const known = values.filter(Boolean);
  const shown = (value: string) => (areTexts ? (unquoted(value) ?? value) : value);

  function take(): void {
    const found = typed.split(",").map((part) => part.trim()).filter(Boolean).map((part) => (areTexts ? quoted(part) : part));
    setTyped("");
    if (found.length) onChange([...new Set([...known, ...found])]);
  }

  return (
    <div class="tags">
      {known.map((value) => (
        <span class="tag">
          {shown(value)}
          <button type="button" aria-label={`Remove ${shown(value)}`} onClick={() => onChange(known.filter((other) => other !== value))}>
            ×
          </button>
        </span>
      ))}
      <input
        type="text"
        aria-label={`${label}, add`}
        placeholder={known.length ? "" : "value, value…"}
        list={options.length ? id : undefined}
        value={typed}
        onInput={(event) => setTyped(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" || event.key === ",") {
            event.preventDefault();
            take();
          } else if (event.key === "Backspace" && !typed && known.length) {
            onChange(known.slice(0, -1));
          }
        }}
        onBlur={take}
      />
      {options.length > 0 && (
        <datalist id={id}>
          {options.map((option) => (
            <option value={option} />
          ))}
        </datalist>
      )}
    </div>
  );
}
