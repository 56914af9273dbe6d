import { quoted, unquoted } from "../literals";
import { TextValue } from "./TextValue";
import type { ValueProps } from "./ValueControl";

/** A list to choose one from. A value that is none of the choices is shown as text. */
export function ChoiceOne({ options, ...props }: ValueProps & { options: string[] }) {
  const chosen = unquoted(props.value);
  if (props.value && (chosen === null || !options.includes(chosen))) return <TextValue {...props} />;
  return (
    <select aria-label={props.label} value={chosen ?? ""} onChange={(event) => props.onChange(quoted(event.currentTarget.value))}>
      {chosen === null && <option value="" disabled>Choose…</option>}
      {options.map((option) => (
        <option value={option}>{shown(option)}</option>
      ))}
    </select>
  );
}

export const shown = (option: string): string => option.replaceAll("_", " ");

interface ListProps {
  options: string[];
  values: string[];
  label: string;
  onChange: (values: string[]) => void;
}

export function ChoiceList({ options, values, label, onChange }: ListProps) {
  const chosen = new Set(values.map(unquoted));
  return (
    <div class="choices" role="group" aria-label={label}>
      {options.map((option) => (
        <label class="choice">
          <input
            type="checkbox"
            checked={chosen.has(option)}
            onChange={(event) => {
              const on = event.currentTarget.checked;
              onChange(options.filter((other) => (other === option ? on : chosen.has(other))).map(quoted));
            }}
          />
          <span>{shown(option)}</span>
        </label>
      ))}
    </div>
  );
}
