import { median } from "./local-level.ts";

/** How seconds grow with the bytes of state. */
export type Form = "Linear" | "Polynomial";

/** One measured duration and what was known before it began. */
export interface DurationSample {
  /** Zero or more. */
  stateBytes: number;
  /** Zero or more. */
  seconds: number;
  /** Migrations that ran at once, itself included. */
  parallel: number;
}

/** A candidate for the regression: which columns it has. */
export interface Shape {
  form: Form;
  columns: number;
  row(stateBytes: number, parallel: number): number[];
  /** Variance that the assumptions behind the shape add, in units of the residual variance. */
  assumedLeverage(stateBytes: number): number;
}

/** Sizes that differ by less than this share of their mean say nothing about how time grows with size. */
const smallestRelativeSpread = 0.05;
/** Below so many observations by column a column is not worth its uncertainty. */
const observationsByColumn = 3;
/** No clock measures less. */
const shortestSeconds = 1e-6;

/** The shapes that the samples can tell apart, simplest first; at least one. */
export function candidateShapes(
  samples: readonly DurationSample[],
  form: Form | "Auto",
  assumedSecondsPerByte: number,
): Shape[] {
  const sharesLink = new Set(samples.map(({ parallel }) => parallel)).size > 1;
  if (!sizesDiffer(samples)) {
    const assumed = assumedGrowth(samples, assumedSecondsPerByte);
    return affordable(samples, [assumed, ...(sharesLink ? [withContention(assumed)] : [])]);
  }
  const scale = Math.max(...samples.map(({ stateBytes }) => stateBytes));
  const linear = shape("Linear", 2, (stateBytes) => [1, stateBytes / scale]);
  const polynomial = shape("Polynomial", 3, (stateBytes) => [1, stateBytes / scale, (stateBytes / scale) ** 2]);
  const forms = form === "Linear" ? [linear] : form === "Polynomial" ? [polynomial] : [linear, polynomial];
  return affordable(samples, sharesLink ? forms.flatMap((each) => [each, withContention(each)]) : forms);
}

function shape(form: Form, columns: number, row: Shape["row"]): Shape {
  return { form, columns, row, assumedLeverage: () => 0 };
}

/** Who shares a link waits for each byte in proportion to the others, and a little for each of them. */
function withContention({ form, columns, row, assumedLeverage }: Shape): Shape {
  return {
    form,
    columns: columns + 2,
    assumedLeverage,
    row: (stateBytes, parallel) => {
      const alone = row(stateBytes, 1);
      const others = parallel - 1;
      const byByte = alone[Math.min(1, columns - 1)] ?? 0;
      return [...alone, others * byByte, columns === 1 ? 0 : others];
    },
  };
}

/** One column: the assumed slope through the middle of what was seen, or through zero where that would go below it. */
function assumedGrowth(samples: readonly DurationSample[], secondsPerByte: number): Shape {
  const bytes = median(samples.map(({ stateBytes }) => stateBytes));
  const seconds = Math.max(shortestSeconds, median(samples.map((sample) => sample.seconds)));
  const intercept = seconds - secondsPerByte * bytes;
  const growth = (stateBytes: number) =>
    intercept >= 0 ? intercept + secondsPerByte * stateBytes : (seconds * stateBytes) / bytes;
  return {
    form: "Linear",
    columns: 1,
    row: (stateBytes) => [growth(stateBytes)],
    // Trusted as little as if it had been seen between zero and the middle once.
    assumedLeverage: (stateBytes) => ((stateBytes - bytes) / Math.max(1, bytes)) ** 2,
  };
}

function sizesDiffer(samples: readonly DurationSample[]): boolean {
  const mean = samples.reduce((sum, { stateBytes }) => sum + stateBytes, 0) / samples.length;
  const variance = samples.reduce((sum, { stateBytes }) => sum + (stateBytes - mean) ** 2, 0) / samples.length;
  return Math.sqrt(variance) > smallestRelativeSpread * mean;
}

function affordable(samples: readonly DurationSample[], shapes: readonly Shape[]): Shape[] {
  const [simplest, ...rest] = shapes;
  if (!simplest) return [];
  return [simplest, ...rest.filter(({ columns }) => samples.length >= observationsByColumn * columns)];
}
