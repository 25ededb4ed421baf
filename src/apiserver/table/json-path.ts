type Step =
  | { kind: "field"; name: string }
  | { kind: "index"; index: number }
  | { kind: "all" }
  | { kind: "filter"; path: Step[]; equals: boolean; value: string | number | boolean | null };

/** Finds the values at a path, in order; empty when there are none. */
export type JsonPath = (object: unknown) => unknown[];

/**
 * Compiles a path as it stands in a printer column: `.spec.a`, `.list[0]`, `.list[*]`, `['a.b']`, `.a\.b`, and filters
 * such as `.status.conditions[?(@.type=="Ready")].status`.
 *
 * @throws Error naming the path and the place when it is something else
 */
export function compileJsonPath(path: string): JsonPath {
  const steps = new PathReader(path).read();
  return (object) => follow(steps, [object]);
}

function follow(steps: readonly Step[], start: unknown[]): unknown[] {
  return steps.reduce<unknown[]>((values, step) => values.flatMap((value) => take(step, value)), start);
}

function take(step: Step, value: unknown): unknown[] {
  if (typeof value !== "object" || value === null) return [];
  switch (step.kind) {
    case "field":
      return Object.hasOwn(value, step.name) ? [(value as Record<string, unknown>)[step.name]] : [];
    case "index":
      return Array.isArray(value) && value.length > step.index ? value.slice(step.index).slice(0, 1) : [];
    case "all":
      return Object.values(value);
    case "filter":
      return Object.values(value).filter((item) =>
        step.equals ? follow(step.path, [item]).includes(step.value) : !follow(step.path, [item]).includes(step.value),
      );
  }
}

class PathReader {
  readonly #path: string;
  #position = 0;

  constructor(path: string) {
    this.#path = path;
  }

  read(): Step[] {
    // Braces and a leading dollar sign are allowed by JSONPath's other users and mean nothing here.
    if (this.#path.startsWith("{") && this.#path.endsWith("}")) return new PathReader(this.#path.slice(1, -1)).read();
    this.#skip(/\$/y);
    const steps = this.#steps();
    if (this.#position < this.#path.length) throw this.#error();
    return steps;
  }

  #steps(): Step[] {
    const steps: Step[] = [];
    for (let step = this.#step(); step; step = this.#step()) steps.push(step);
    return steps;
  }

  #step(): Step | undefined {
    const star = this.#skip(/\.\*|\[\*\]/y);
    if (star) return { kind: "all" };
    const field = this.#skip(/\.((?:[^.[\]()=!\s\\]|\\.)+)/y);
    if (field) return { kind: "field", name: (field[1] ?? "").replaceAll(/\\(.)/g, "$1") };
    const index = this.#skip(/\[(\d+)\]/y);
    if (index) return { kind: "index", index: Number(index[1]) };
    const quoted = this.#skip(/\[(?:'([^']*)'|"([^"]*)")\]/y);
    if (quoted) return { kind: "field", name: quoted[1] ?? quoted[2] ?? "" };
    return this.#skip(/\[\?\(\s*@/y) ? this.#filter() : undefined;
  }

  #filter(): Step {
    const path = this.#steps();
    const operator = this.#skip(/\s*(==|!=)\s*/y);
    const literal = this.#skip(/"([^"]*)"|'([^']*)'|(-?\d+(?:\.\d+)?|true|false|null)/y);
    if (!operator || !literal || !this.#skip(/\s*\)\]/y)) throw this.#error();
    const value = literal[3] === undefined ? (literal[1] ?? literal[2] ?? "") : JSON.parse(literal[3]);
    return { kind: "filter", path, equals: operator[1] === "==", value };
  }

  #skip(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#position;
    const match = pattern.exec(this.#path);
    if (match) this.#position = pattern.lastIndex;
    return match;
  }

  #error(): Error {
    return new Error(`JSONPath ${this.#path} is not understood at character ${this.#position + 1}`);
  }
}
