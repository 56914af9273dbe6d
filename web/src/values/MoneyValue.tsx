import { useState } from "preact/hooks";
import { currencies } from "../catalog";
import { moneyOf, typedNumber } from "../literals";
import { TextValue } from "./TextValue";
import type { ValueProps } from "./ValueControl";

/** An amount, and the currency it is in: that of the account unless one is named. */
export function MoneyValue(props: ValueProps) {
  const { label, value, onChange } = props;
  const money = value ? moneyOf(value) : { amount: "", currency: "" };
  const [typed, setTyped] = useState<string | null>(null);
  const [chosen, setChosen] = useState("");
  if (!money) return <TextValue {...props} />;
  const currency = money.currency || (value ? "" : chosen);
  const write = (amount: string | null, code: string) => onChange(amount === null ? "" : code ? `${amount} ${code}` : amount);
  return (
    <div class="money">
      <input
        type="text"
        inputMode="decimal"
        aria-label={label}
        aria-invalid={typed !== null && typed !== "" && typedNumber(typed) === null}
        placeholder="0.00"
        value={typed ?? money.amount}
        onInput={(event) => {
          setTyped(event.currentTarget.value);
          setChosen(currency);
          write(typedNumber(event.currentTarget.value), currency);
        }}
        onBlur={() => (typed === null || typedNumber(typed) !== null) && setTyped(null)}
      />
      <select
        aria-label={`${label}, currency`}
        title="The currency of the amount; others are converted to it"
        value={currency}
        onChange={(event) => {
          setChosen(event.currentTarget.value);
          write(money.amount || null, event.currentTarget.value);
        }}
      >
        <option value="">own currency</option>
        {currencies.value.map((code) => (
          <option value={code}>{code}</option>
        ))}
      </select>
    </div>
  );
}
