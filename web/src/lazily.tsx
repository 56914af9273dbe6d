// Parts of the page whose libraries are large: they are read once the first answer is there, which needs none of them.
import { effect, signal } from "@preact/signals";
import type { ComponentChild, ComponentType } from "preact";
import { isAsking } from "./question";
import { pause } from "./server";

const PATIENCE = 500;

const answered = new Promise<void>((done) => {
  effect(() => {
    if (!isAsking.value) done();
  });
});

/** Whatever was answered is painted first. */
const painted = new Promise<void>((done) => {
  void Promise.race([answered, pause(PATIENCE)]).then(() => requestAnimationFrame(() => setTimeout(done)));
});

/** `meanwhile` stands in its place. */
export function lazily<Props>(load: () => Promise<ComponentType<Props>>, meanwhile: ComponentChild = null) {
  const found = signal<{ Part: ComponentType<Props> } | null>(null);
  void painted.then(load).then((Part) => (found.value = { Part }));
  return (props: Props & object) => (found.value ? <found.value.Part {...props} /> : meanwhile);
}
