/** How cells are drawn. */

import { flip, pointFactor } from "../state/store";
import { Check, Field, Section } from "../ui/parts";

export function DisplayPanel() {
  return (
    <Section name="display" title="Display" initially={false}>
      <Field label="Cell size">
        <input
          type="range"
          min={-2}
          max={2.5}
          step={0.25}
          value={Math.log2(pointFactor.value)}
          aria-valuetext={`${Math.round(pointFactor.value * 100)} %`}
          onInput={(event) => (pointFactor.value = 2 ** (event.currentTarget as HTMLInputElement).valueAsNumber)}
        />
      </Field>
      <Check
        label="Vertical axis points down"
        hint="As in images, whose first row is at the top"
        checked={flip.value}
        onChange={(on) => (flip.value = on)}
      />
    </Section>
  );
}
