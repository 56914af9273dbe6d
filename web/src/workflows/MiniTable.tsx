// A short table of rows as they came.
import { CellOf, columnsOf } from "../Cells";
import { baseCurrency } from "../catalog";
import type { Row } from "../question";

export function MiniTable({ rows, entity }: { rows: Row[]; entity: string }) {
  const columns = columnsOf(rows, entity);
  return (
    <div class="table-box" tabIndex={0} role="region" aria-label="Table">
      <table>
        <thead>
          <tr>
            {columns.map(({ label, isNumber }) => (
              <th scope="col" class={isNumber ? "number-cell" : ""}><span class="head" title={label}>{label}</span></th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={String(row.source_id)}>
              {columns.map(({ name, field, isNumber }) => (
                <td class={isNumber ? "number-cell" : ""}>
                  <CellOf value={row[name] ?? null} field={field} currency={String(row.currency ?? baseCurrency.value)} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
