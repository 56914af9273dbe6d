// Bars, drawn by Chart.js in the page's colours. What they show stands beside them as text.
import { BarController, BarElement, CategoryScale, Chart as Drawing, LinearScale, Tooltip } from "chart.js";
import { useEffect, useRef } from "preact/hooks";
import { theme } from "./theme";

Drawing.register(BarController, BarElement, CategoryScale, LinearScale, Tooltip);

interface Props {
  labels: string[];
  values: number[];
  tooltips: string[];
  colours: string[];
  direction: "x" | "y";
}

/** A custom property of the page as a colour that a canvas understands. */
function resolved(colour: string, beside: HTMLElement): string {
  const probe = document.createElement("span");
  probe.style.color = colour;
  beside.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

export function Bars({ labels, values, tooltips, colours, direction }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const drawing = useRef<Drawing | null>(null);
  const mode = theme.value;

  useEffect(() => {
    const box = canvas.current!.parentElement!;
    const [muted, line] = [resolved("var(--muted)", box), resolved("var(--line)", box)];
    const isUpright = direction === "x";
    const made = new Drawing(canvas.current!, {
      type: "bar",
      data: {
        labels,
        datasets: [{ data: values.map((value) => value || null), backgroundColor: colours.map((colour) => resolved(colour, box)), borderRadius: 3, maxBarThickness: isUpright ? 44 : 18, minBarLength: 2 }],
      },
      options: {
        indexAxis: direction,
        animation: false,
        responsive: true,
        maintainAspectRatio: false,
        layout: { padding: 0 },
        font: { family: "system-ui, sans-serif", size: 12 },
        plugins: {
          legend: { display: false },
          tooltip: { displayColors: false, callbacks: { title: () => "", label: (item) => tooltips[item.dataIndex] ?? "" } },
        },
        scales: isUpright
          ? {
              x: { grid: { display: false }, border: { color: line }, ticks: { color: muted, maxRotation: 45 } },
              y: { beginAtZero: true, grid: { color: line }, border: { display: false }, ticks: { color: muted, maxTicksLimit: 4, callback: (value) => short(Number(value)) } },
            }
          : { x: { display: false, beginAtZero: true, max: Math.max(1, ...values) }, y: { display: false } },
      },
    });
    drawing.current = made;
    return () => made.destroy();
  }, [JSON.stringify([labels, values, colours]), mode]);

  return <canvas ref={canvas} aria-hidden="true" />;
}

const compact = new Intl.NumberFormat("en-GB", { notation: "compact", maximumFractionDigits: 1 });
const short = (value: number): string => compact.format(value);
