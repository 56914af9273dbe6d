// The filter as a form: conditions on customers, and on the invoices and payments that are targeted.
import { FieldPicker, capital } from "./FieldPicker";
import { type Line, type Section, addLine, added, changeLine, lines, partOf, removeLine, shapeOf, target, targets, whole, wrong } from "./conditions";
import { type Field, fieldAt } from "./catalog";
import { level } from "./question";
import { ValueControl, firstValues } from "./values/ValueControl";

const ENTITIES: Record<Section, string[]> = {
  customers: ["customer", "group", "company"],
  invoices: ["invoice"],
  payments: ["payment"],
};

const WORDS: Record<string, string> = {
  "=": "is", "!=": "is not", "<": "less than", "<=": "at most", ">": "more than", ">=": "at least",
};
const DATE_WORDS: Record<string, string> = { "<": "before", "<=": "on or before", ">": "after", ">=": "on or after" };

export const operatorLabel = (operator: string, field: Field): string =>
  (field.type === "date" ? DATE_WORDS[operator] : undefined) ?? WORDS[operator] ?? operator.toLowerCase();

export function Builder({ onEditText }: { onEditText: () => void }) {
  if (whole.value) {
    return (
      <div class="builder">
        <p class="note">This filter is too interwoven for the form. It is all here, to be read:</p>
        <div class="line reading">
          <code>{whole.value}</code>
          <button type="button" class="quiet" onClick={onEditText}>Edit as text</button>
        </div>
      </div>
    );
  }
  return (
    <div class="builder">
      <SectionOf section="customers" title={level.value === "group" ? "Groups and their customers" : "Customers"} onEditText={onEditText} />
      <Target section="invoices" title="Target specific invoices" help="One invoice meets all of these" onEditText={onEditText} />
      <Target section="payments" title="Target specific payments (ERP)" help="One payment meets all of these" onEditText={onEditText} />
    </div>
  );
}

function Target({ section, title, help, onEditText }: { section: "invoices" | "payments"; title: string; help: string; onEditText: () => void }) {
  const on = targets.value[section];
  return (
    <section class="section">
      <label class="switch">
        <input type="checkbox" role="switch" checked={on} onChange={(event) => target(section, event.currentTarget.checked)} />
        <span class="section-title">{title}</span>
        {on && <span class="section-help">{help}</span>}
      </label>
      {on && <Lines section={section} onEditText={onEditText} />}
    </section>
  );
}

function SectionOf({ section, title, onEditText }: { section: Section; title: string; onEditText: () => void }) {
  return (
    <section class="section">
      <h3 class="section-title">{title}</h3>
      <Lines section={section} onEditText={onEditText} />
    </section>
  );
}

function Lines({ section, onEditText }: { section: Section; onEditText: () => void }) {
  const noun = section.slice(0, -1);
  return (
    <>
      <ul class="lines" aria-label={`Conditions on ${section}`}>
        {lines.value[section].map((line, place) => (
          <li key={line.id}>
            <OneLine line={line} section={section} number={place + 1} onEditText={onEditText} />
          </li>
        ))}
      </ul>
      <button type="button" class="quiet add" onClick={() => addLine(section)}>
        <span aria-hidden="true">+</span> Add {noun} condition
      </button>
    </>
  );
}

interface LineProps {
  line: Line;
  section: Section;
  number: number;
  onEditText: () => void;
}

function OneLine({ line, section, number, onEditText }: LineProps) {
  const name = `${capital(section.slice(0, -1))} condition ${number}`;
  const field = line.field ? fieldAt(line.field) : undefined;
  const isForm = line.text === null || (field !== undefined && field.operators.includes(line.operator));
  const remove = (
    <button type="button" class="icon" aria-label={`Remove ${name}`} onClick={() => removeLine(section, line.id)}>
      ×
    </button>
  );
  if (!isForm) {
    return (
      <div class="line reading" role="group" aria-label={name}>
        <code>{line.text}</code>
        <button type="button" class="quiet" onClick={onEditText}>Edit as text</button>
        {remove}
      </div>
    );
  }
  const change = (changed: Partial<Line>) => changeLine(section, { ...line, text: null, ...changed });
  const error = wrong.value[line.id];
  return (
    <div class="line" role="group" aria-label={name}>
      <FieldPicker
        entities={level.value === "group" && section === "customers" ? ["group", "customer", "company"] : ENTITIES[section]}
        value={line.field}
        label={`${name}: field`}
        focus={line.id === added.value}
        onPick={(path, picked) => {
          const before = line.field ? fieldAt(line.field) : undefined;
          const operator = picked.operators.includes(line.operator) ? line.operator : (picked.operators[0] ?? "=");
          const isAlike = before?.type === picked.type && !picked.choices.length && operator === line.operator;
          change({ part: partOf(section, path), field: path, operator, values: isAlike ? line.values : firstValues(picked, operator) });
        }}
      />
      {field && (
        <>
          <select
            class="operator"
            aria-label={`${name}: operator`}
            value={line.operator}
            onChange={(event) => {
              const operator = event.currentTarget.value;
              const isAlike = shapeOf(operator) === shapeOf(line.operator) && / IN /.test(` ${operator}`) === / IN /.test(` ${line.operator}`);
              const first = isAlike || (field.type !== "date" && line.values.length) ? line.values : firstValues(field, operator);
              change({ operator, values: shapeOf(operator) === "one" ? first.slice(0, 1) : first });
            }}
          >
            {field.operators.map((operator) => (
              <option value={operator}>{operatorLabel(operator, field)}</option>
            ))}
          </select>
          <div class="value">
            <ValueControl field={field} operator={line.operator} values={line.values} onChange={(values) => change({ values })} />
          </div>
        </>
      )}
      {remove}
      {error && <p class="line-error" role="alert">{error}</p>}
    </div>
  );
}
