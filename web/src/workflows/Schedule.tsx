// When a workflow runs by itself: days of the week, and a window of the company's own clock.
import { useSignal } from "@preact/signals";
import { company, mayWrite } from "../catalog";
import { timeIn } from "../numbers";
import { told } from "../server";
import { type Schedule, type Workflow, change, stored } from "./stored";

const DAYS: Record<string, string> = {
  mon: "Monday", tue: "Tuesday", wed: "Wednesday", thu: "Thursday", fri: "Friday", sat: "Saturday", sun: "Sunday",
};

const list = new Intl.ListFormat("en-GB");

export const spokenSchedule = ({ days, from, until }: Schedule): string => {
  const ordered = Object.keys(DAYS).filter((day) => days.includes(day));
  const on = ordered.length === 7 ? "Every day" : list.format(ordered.map((day) => `${DAYS[day]}s`));
  return `${on} between ${from} and ${until}`;
};

export function ScheduleCard({ workflow }: { workflow: Workflow }) {
  const isOpen = useSignal(false);
  const problem = useSignal("");
  const { schedule, next_run_at, active } = workflow;
  const zone = company.value?.time_zone ?? "UTC";

  async function set(schedule: Schedule | null): Promise<void> {
    problem.value = "";
    try {
      await change(workflow, { schedule });
      isOpen.value = false;
      stored.value += 1;
    } catch (failure) {
      problem.value = told(failure) || "The server does not answer; nothing was saved.";
    }
  }

  return (
    <section class="card padded" aria-labelledby="schedule-title">
      <div class="schedule">
        <div>
          <h2 id="schedule-title">Schedule</h2>
          <p>
            {schedule ? `${spokenSchedule(schedule)}, by the clock of ${zone}.` : "It runs only when somebody runs it."}{" "}
            <span class="muted">
              {next_run_at && `Next on ${timeIn(next_run_at, zone)}.`}
              {schedule && !active && "Not as long as it is switched off."}
            </span>
          </p>
        </div>
        {mayWrite.value && !isOpen.value && (
          <div class="actions">
            <button type="button" class="quiet" onClick={() => (isOpen.value = true)}>{schedule ? "Change" : "Set a schedule"}</button>
            {schedule && <button type="button" class="quiet" onClick={() => void set(null)}>Stop it</button>}
          </div>
        )}
      </div>
      {isOpen.value && <ScheduleForm schedule={schedule} onSave={set} onCancel={() => ((isOpen.value = false), (problem.value = ""))} />}
      {problem.value && <p class="refusal" role="alert">{problem.value}</p>}
    </section>
  );
}

interface FormProps {
  schedule: Schedule | null;
  onSave: (schedule: Schedule) => Promise<void>;
  onCancel: () => void;
}

function ScheduleForm({ schedule, onSave, onCancel }: FormProps) {
  const days = useSignal(schedule?.days ?? []);
  const from = useSignal(schedule?.from ?? "08:00");
  const until = useSignal(schedule?.until ?? "10:00");
  const missing = !days.value.length ? "Choose a day." : from.value < until.value ? "" : "The window opens before it closes, on the same day.";
  return (
    <form
      class="schedule-form"
      onSubmit={(event) => {
        event.preventDefault();
        void onSave({ days: days.value, from: from.value, until: until.value });
      }}
    >
      <div class="choices" role="group" aria-label="Days">
        {Object.entries(DAYS).map(([day, name]) => (
          <label class="choice">
            <input
              type="checkbox"
              aria-label={name}
              checked={days.value.includes(day)}
              onChange={(event) => {
                const on = event.currentTarget.checked;
                days.value = Object.keys(DAYS).filter((other) => (other === day ? on : days.value.includes(other)));
              }}
            />
            <span>{name.slice(0, 3)}</span>
          </label>
        ))}
      </div>
      <label class="beside">from <input type="time" required value={from.value} onInput={(event) => (from.value = event.currentTarget.value)} /></label>
      <label class="beside">until <input type="time" required value={until.value} onInput={(event) => (until.value = event.currentTarget.value)} /></label>
      <div class="actions">
        <button type="submit" class="primary" disabled={missing !== ""}>Save schedule</button>
        <button type="button" class="quiet" onClick={onCancel}>Cancel</button>
      </div>
      <p class="muted" role="status">{missing}</p>
    </form>
  );
}
