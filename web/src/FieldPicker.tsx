// A searchable choice of a field (the ARIA pattern of a combobox with a list), grouped by entity.
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Entity, type Field, entityNamed, fieldAt, spoken } from "./catalog";

interface Props {
  entities: string[];
  value: string | null;
  label: string;
  focus?: boolean;
  onPick: (path: string, field: Field) => void;
}

interface Option {
  path: string;
  field: Field;
}

function matching(entity: Entity, words: string[]): Option[] {
  return entity.fields
    .map((field) => ({ path: `${entity.name}.${field.name}`, field, rank: rank(entity, field, words) }))
    .filter(({ rank }) => rank < Infinity)
    .sort((one, other) => one.rank - other.rank);
}

/** What is called so comes before what is only explained so, and what is called little else before the rest. */
function rank(entity: Entity, { name, label, help }: Field, words: string[]): number {
  if (!words.length) return 0;
  const has = (text: string) => words.every((word) => text.toLowerCase().includes(word));
  if (has(`${name} ${label}`)) return label.length;
  return has(`${entity.name} ${name} ${label} ${help}`) ? 1000 : Infinity;
}

export function fieldLabel(path: string, home: string): string {
  const [entity = ""] = path.split(".");
  const label = fieldAt(path)?.label ?? path;
  return entity === home || label.startsWith(spoken(entity)) ? capital(label) : `${capital(spoken(entity))}: ${label}`;
}

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

export function FieldPicker({ entities, value, label, focus, onPick }: Props) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const popup = useRef<HTMLDivElement>(null);
  const [search, setSearch] = useState<string | null>(null);
  const [active, setActive] = useState(0);
  const isOpen = search !== null;

  useLayoutEffect(() => {
    if (focus) input.current?.focus();
  }, []);

  const words = (search ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const groups = isOpen
    ? entities.flatMap((name) => {
        const entity = entityNamed(name);
        const options = entity ? matching(entity, words) : [];
        return entity && options.length ? [{ entity, options }] : [];
      })
    : [];
  const options = groups.flatMap((group) => group.options);
  const current = options[Math.min(active, options.length - 1)];

  useEffect(() => {
    popup.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [active, search]);

  function open(): void {
    if (isOpen) return;
    setSearch("");
    setActive(0);
  }

  function pick(option: Option | undefined): void {
    setSearch(null);
    if (option) onPick(option.path, option.field);
  }

  function onKeyDown(event: KeyboardEvent): void {
    const moves: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    const move = moves[event.key];
    if (move !== undefined) {
      event.preventDefault();
      if (!isOpen) return open();
      setActive(Math.max(0, Math.min(options.length - 1, active + move)));
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (isOpen) pick(current);
      else open();
    } else if (event.key === "Escape" && isOpen) {
      event.stopPropagation();
      setSearch(null);
    }
  }

  return (
    <div class="picker">
      <input
        ref={input}
        role="combobox"
        aria-label={label}
        aria-expanded={isOpen}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={isOpen && current ? `${id}-${current.path}` : undefined}
        autocomplete="off"
        spellcheck={false}
        placeholder="Choose a field…"
        value={search ?? (value ? fieldLabel(value, entities[0] ?? "") : "")}
        title={value ? `${fieldLabel(value, "")}\n${fieldAt(value)?.help ?? ""}` : undefined}
        onClick={open}
        onInput={(event) => {
          setSearch(event.currentTarget.value);
          setActive(0);
        }}
        onKeyDown={onKeyDown}
        onBlur={() => setSearch(null)}
      />
      {isOpen && (
        <div class="popup" id={`${id}-list`} role="listbox" aria-label={label} ref={popup} onMouseDown={(event) => event.preventDefault()}>
          {groups.map(({ entity, options }) => (
            <div role="group" aria-label={entity.name}>
              <div class="group-name" aria-hidden="true">{capital(spoken(entity.name))}</div>
              {options.map((option) => (
                <div
                  class="option"
                  role="option"
                  id={`${id}-${option.path}`}
                  aria-selected={option === current}
                  onClick={() => pick(option)}
                >
                  <span class="option-label">{capital(option.field.label)}</span>
                  <span class="option-help">{capital(option.field.help) === capital(option.field.label) ? option.field.type : option.field.help}</span>
                </div>
              ))}
            </div>
          ))}
          {!options.length && <div class="nothing">No field matches “{search}”.</div>}
        </div>
      )}
    </div>
  );
}
