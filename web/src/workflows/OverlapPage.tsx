// Who is in several workflows, and overdue money that none of them targets.
import { href } from "../address";
import { amount, count, counted } from "../numbers";
import { baseCurrency } from "../catalog";
import { useRead } from "./stored";

interface Overlap {
  as_of: string;
  workflows: { id: number; name: string; customers: number }[];
  broken: { id: number; name: string }[];
  overlapping: { count: number; customers: { source_id: string; name: string; workflows: number[] }[] };
  gaps: { overdue: string; untargeted: string; customers: number; largest: { source_id: string; balance_overdue: string }[] };
}

export function OverlapPage() {
  const { found, problem } = useRead<Overlap>("/v1/overlap?limit=200");
  const names = new Map(found?.workflows.map(({ id, name }) => [id, name]));
  return (
    <main id="main">
      <div class="page-head">
        <h1>Overlap</h1>
      </div>
      {problem && <p class="refusal" role="alert">{problem}</p>}
      {found && (
        <>
          <div class="counts">
            <div class="count"><span class="number">{count(found.overlapping.count)}</span> <span class="kind">in several workflows</span></div>
            <div class="count">
              <span class="number">{amount(found.gaps.untargeted)}</span>{" "}
              <span class="kind">{baseCurrency.value} overdue that no workflow targets, of {amount(found.gaps.overdue)}</span>
            </div>
          </div>
          {found.broken.length > 0 && <p class="refusal">Not counted, they need mending: {found.broken.map(({ name }) => name).join(", ")}</p>}
          <div class="two-cards">
            <section class="card" aria-labelledby="several">
              <h2 class="card-title" id="several">In several workflows</h2>
              <div class="table-box" tabIndex={0} role="region" aria-label="Customers in several workflows">
                <table>
                  <thead>
                    <tr><th scope="col">ID</th><th scope="col">Customer</th><th scope="col">Workflows</th></tr>
                  </thead>
                  <tbody>
                    {found.overlapping.customers.map(({ source_id, name, workflows }) => (
                      <tr key={source_id}>
                        <td>{source_id}</td>
                        <td>{name}</td>
                        <td class="wrapping">
                          {workflows.map((id) => (
                            <a class="pill" href={href(`workflows/${id}`)}>{names.get(id) ?? id}</a>
                          ))}
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
              {!found.overlapping.count && <p class="empty">Nobody is in more than one.</p>}
            </section>
            <section class="card" aria-labelledby="gaps">
              <h2 class="card-title" id="gaps">Overdue, in no workflow <span class="muted">{counted(found.gaps.customers, "customer")}</span></h2>
              <div class="table-box" tabIndex={0} role="region" aria-label="Largest gaps">
                <table>
                  <thead>
                    <tr><th scope="col">Customer ID</th><th scope="col" class="number-cell">Overdue</th></tr>
                  </thead>
                  <tbody>
                    {found.gaps.largest.slice(0, 20).map(({ source_id, balance_overdue }) => (
                      <tr key={source_id}>
                        <td>{source_id}</td>
                        <td class="number-cell">{amount(balance_overdue)} <span class="currency">{baseCurrency.value}</span></td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            </section>
          </div>
          <h2>Active workflows</h2>
          <ul class="card rows">
            {found.workflows.map(({ id, name, customers }) => (
              <li key={id}>
                <a class="row-link" href={href(`workflows/${id}`)}>
                  <strong>{name}</strong>
                  <span>{counted(customers, "customer")}</span>
                </a>
              </li>
            ))}
          </ul>
        </>
      )}
    </main>
  );
}
