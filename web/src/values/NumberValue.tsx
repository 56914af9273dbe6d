import { useState } from "preact/hooks";
import { numberOf, percentOf, typedNumber } from "../literals";
import { TextValue } from "./TextValue";
import type { ValueProps } from "./ValueControl";

const UNIT: Partial<Record<string, string>> = { days: "days", percent: "%" };

export function NumberValue(props: ValueProps) {
  const { field, label, value, onChange } = props;
  const isPercent = field.type === "percent";
  const plain = isPercent ? percentOf(value) : numberOf(value);
  // What is being typed may not be a number yet.
  const [typed, setTyped] = useState<string | null>(null);
  if (value && plain === null) return <TextValue {...props} />;
  return (
    <div class="unit">
      <input
        type="text"
        inputMode="decimal"
        aria-label={label}
        aria-invalid={typed !== null && typed !== "" && typedNumber(typed) === null}
        placeholder="0"
        value={typed ?? plain ?? ""}
        onInput={(event) => {
          setTyped(event.currentTarget.value);
          const number = typedNumber(event.currentTarget.value);
          onChange(number === null ? "" : isPercent ? `${number}%` : number);
        }}
        onBlur={() => (typed === null || typedNumber(typed) !== null) && setTyped(null)}
      />
      {UNIT[field.type] && <span aria-hidden="true">{UNIT[field.type]}</span>}
    </div>
  );
}
