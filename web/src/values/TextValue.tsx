import { quoted, unquoted } from "../literals";
import type { ValueProps } from "./ValueControl";

/** A text as it is; anything else as the language writes it. */
export function TextValue({ field, label, value, onChange }: ValueProps) {
  const text = unquoted(value);
  const isText = (value === "" || text !== null) && field.type !== "date";
  return (
    <input
      type="text"
      aria-label={label}
      class={isText ? "" : "code"}
      value={isText ? (text ?? "") : value}
      onInput={(event) => {
        const typed = event.currentTarget.value;
        onChange(isText ? (typed === "" ? "" : quoted(typed)) : typed);
      }}
    />
  );
}
