// The control that fits a field's type and a condition's operator. What it cannot hold is shown as text.
import type { Field } from "../catalog";
import { shapeOf } from "../conditions";
import { unquoted } from "../literals";
import { ChoiceList, ChoiceOne } from "./Choice";
import { DayValue, PeriodValue } from "./Days";
import { NumberValue } from "./NumberValue";
import { MoneyValue } from "./MoneyValue";
import { Tags } from "./Tags";
import { TextValue } from "./TextValue";

export interface ValueProps {
  field: Field;
  label: string;
  value: string;
  onChange: (value: string) => void;
}

interface Props {
  field: Field;
  operator: string;
  values: string[];
  onChange: (values: string[]) => void;
}

export function ValueControl({ field, operator, values, onChange }: Props) {
  const label = `${field.label}: value`;
  switch (shapeOf(operator)) {
    case "none":
      return null;
    case "list":
      return <Several field={field} values={values} label={label} onChange={onChange} />;
    case "two":
      return (
        <div class="two">
          <One field={field} label={`${label} from`} value={values[0] ?? ""} onChange={(low) => onChange([low, values[1] ?? ""])} />
          <span>and</span>
          <One field={field} label={`${label} to`} value={values[1] ?? ""} onChange={(high) => onChange([values[0] ?? "", high])} />
        </div>
      );
    case "one":
      if (/\bIN (LAST|NEXT|THIS)$/.test(operator)) {
        return <PeriodValue operator={operator} label={label} value={values[0] ?? ""} onChange={(value) => onChange([value])} />;
      }
      return <One field={field} label={label} value={values[0] ?? ""} onChange={(value) => onChange([value])} />;
  }
}

function One(props: ValueProps) {
  switch (props.field.type) {
    case "choice":
    case "code":
      return <ChoiceOne {...props} options={props.field.choices} />;
    case "flag":
      return <FlagValue {...props} />;
    case "money":
      return <MoneyValue {...props} />;
    case "date":
      return <DayValue {...props} />;
    case "number":
    case "count":
    case "days":
    case "percent":
      return <NumberValue {...props} />;
    case "text":
    case "set":
      return <TextValue {...props} />;
  }
}

function Several({ field, values, label, onChange }: { field: Field; values: string[]; label: string; onChange: (values: string[]) => void }) {
  const isText = field.type === "text" || field.type === "set" || field.choices.length > 0;
  const areTexts = values.every((value) => unquoted(value) !== null);
  if (isText && areTexts && field.choices.length > 0 && field.choices.length <= 12) {
    return <ChoiceList options={field.choices} values={values} label={label} onChange={onChange} />;
  }
  return <Tags values={values} areTexts={isText && areTexts} options={field.choices} label={label} onChange={onChange} />;
}

function FlagValue({ label, value, onChange }: ValueProps) {
  return (
    <select aria-label={label} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
      <option value="true">yes</option>
      <option value="false">no</option>
    </select>
  );
}

/** What a condition begins with once its field and operator are chosen. */
export function firstValues(field: Field, operator: string): string[] {
  if (field.type === "flag" && shapeOf(operator) === "one") return ["true"];
  if (/\bIN (LAST|NEXT)$/.test(operator)) return ["30 DAYS"];
  if (/\bIN THIS$/.test(operator)) return ["MONTH"];
  return [];
}
