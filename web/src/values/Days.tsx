import { CALENDAR, type Day, type Period, UNITS, dayOf, dayText, periodOf } from "../literals";
import { useState } from "preact/hooks";
import { TextValue } from "./TextValue";
import type { ValueProps } from "./ValueControl";

const NAMES: Record<Day["kind"], string> = {
  on: "date", today: "today", yesterday: "yesterday", tomorrow: "tomorrow", before: "ago", after: "from now",
};

function begun(kind: Day["kind"], before: Day): Day {
  switch (kind) {
    case "on":
      return { kind, date: "" };
    case "before":
    case "after":
      return { kind, count: "count" in before ? before.count : "30", unit: "unit" in before ? before.unit : "DAYS" };
    default:
      return { kind };
  }
}

/** A day of the calendar, or one told from today. */
export function DayValue(props: ValueProps) {
  const { label, value, onChange } = props;
  const [kept, setKept] = useState<Day>({ kind: "on", date: "" });
  const day = value ? dayOf(value) : kept;
  if (!day) return <TextValue {...props} />;
  const write = (changed: Day) => {
    setKept(changed);
    onChange(dayText(changed));
  };
  return (
    <div class="day">
      {(day.kind === "before" || day.kind === "after") && (
        <Span label={label} period={day} units={UNITS} onChange={({ count, unit }) => write({ kind: day.kind, count, unit })} />
      )}
      <select aria-label={`${label}, how`} value={day.kind} onChange={(event) => write(begun(event.currentTarget.value as Day["kind"], day))}>
        {Object.entries(NAMES).map(([kind, name]) => (
          <option value={kind}>{name}</option>
        ))}
      </select>
      {day.kind === "on" && (
        <input type="date" aria-label={label} value={day.date} min="1900-01-01" max="2200-12-31" onInput={(event) => write({ kind: "on", date: event.currentTarget.value })} />
      )}
    </div>
  );
}

function Span({ label, period, units, onChange }: { label: string; period: Period; units: string[]; onChange: (period: Period) => void }) {
  return (
    <>
      <input
        class="count"
        type="text"
        inputMode="numeric"
        aria-label={`${label}, how many`}
        value={period.count}
        onInput={(event) => onChange({ ...period, count: event.currentTarget.value.replace(/\D/g, "") })}
      />
      <select aria-label={`${label}, unit`} value={period.unit} onChange={(event) => onChange({ ...period, unit: event.currentTarget.value })}>
        {units.map((unit) => (
          <option value={unit}>{unit.toLowerCase()}</option>
        ))}
      </select>
    </>
  );
}

/** `30 DAYS` after IN LAST and IN NEXT, or a unit of the calendar. */
export function PeriodValue({ operator, label, value, onChange }: { operator: string; label: string; value: string; onChange: (value: string) => void }) {
  const [kept, setKept] = useState<Period>({ count: "30", unit: "DAYS" });
  const period = value ? (periodOf(value) ?? kept) : kept;
  const ofCalendar = operator.endsWith("THIS") || CALENDAR.includes(period.unit);
  const write = (changed: Period) => {
    setKept(changed);
    const isCalendar = CALENDAR.includes(changed.unit);
    onChange(isCalendar ? changed.unit : changed.count ? `${changed.count} ${changed.unit}` : "");
  };
  if (operator.endsWith("THIS")) {
    return (
      <select aria-label={label} value={period.unit} onChange={(event) => write({ count: "", unit: event.currentTarget.value })}>
        {CALENDAR.map((unit) => (
          <option value={unit}>{unit.toLowerCase()}</option>
        ))}
      </select>
    );
  }
  return (
    <div class="day">
      {!ofCalendar && (
        <input
          class="count"
          type="text"
          inputMode="numeric"
          aria-label={`${label}, how many`}
          value={period.count}
          onInput={(event) => write({ ...period, count: event.currentTarget.value.replace(/\D/g, "") })}
        />
      )}
      <select
        aria-label={`${label}, unit`}
        value={period.unit}
        onChange={(event) => {
          const unit = event.currentTarget.value;
          write({ count: CALENDAR.includes(unit) ? "" : period.count || "30", unit });
        }}
      >
        {UNITS.map((unit) => (
          <option value={unit}>{unit.toLowerCase()}</option>
        ))}
        {CALENDAR.map((unit) => (
          <option value={unit}>whole {unit.toLowerCase()}</option>
        ))}
      </select>
    </div>
  );
}
