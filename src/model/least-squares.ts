/** Coefficients of a weighted least squares fit, each zero or more. */
export interface LeastSquares {
  /** One for each column. */
  coefficients: number[];
  /** Columns whose coefficient is above zero. */
  freeCoefficients: number;
  /**
   * What is unknown of the fitted value at the row, as independent parts: their squares add up to its variance, in units of
   * the variance of an observation of weight 1. Parts of several rows add up before squaring.
   */
  uncertainty(row: readonly number[]): number[];
}

/** Added to the diagonal, as a share of it: columns that say the same must not blow the coefficients up. */
const ridge = 1e-9;

/** Rows of equal length, one an observation. */
export interface Design {
  /** Row by row. */
  values: Float64Array;
  columns: number;
  observations: number;
}

/** @param rows at least one */
export function designOf(rows: readonly (readonly number[])[]): Design {
  return { values: Float64Array.from(rows.flat()), columns: rows[0]?.length ?? 0, observations: rows.length };
}

/**
 * Minimizes Σ weight × (target − row · coefficients)² with all coefficients zero or more. With so few columns every set
 * of active ones is tried when the free solution has a negative coefficient, which is exact.
 * @param design at most about five columns, of similar magnitude
 * @param weights zero or more
 */
export function nonNegativeLeastSquares(design: Design, targets: Float64Array, weights: Float64Array): LeastSquares {
  const { columns } = design;
  const { gram, moments } = normalEquations(design, targets, weights);
  let best: { active: number[]; solution: number[]; explained: number } | undefined;
  const everything = 2 ** columns - 1;
  for (let set = everything; set > 0; set--) {
    const active = Array.from({ length: columns }, (_, column) => column).filter((column) => set & (1 << column));
    const solution = solve(subMatrix(gram, active), pick(moments, active));
    const explained = dot(solution, pick(moments, active));
    if (!Number.isFinite(explained) || solution.some((value) => !(value >= 0))) continue;
    if (!best || explained > best.explained) best = { active, solution, explained };
    if (set === everything) break;
  }
  if (!best) return { coefficients: Array(columns).fill(0), freeCoefficients: 0, uncertainty: () => [] };
  const { active, solution } = best;
  const coefficients: number[] = Array(columns).fill(0);
  active.forEach((column, index) => {
    coefficients[column] = solution[index] ?? 0;
  });
  const triangle = cholesky(subMatrix(gram, active));
  return {
    coefficients,
    freeCoefficients: solution.filter((value) => value > 0).length,
    uncertainty: (row) => {
      const parts: number[] = Array(columns).fill(0);
      solveLower(triangle, pick(row, active)).forEach((part, index) => {
        parts[active[index] ?? 0] = part;
      });
      return parts;
    },
  };
}

/** By observation: row · coefficients. */
export function fittedValues({ values, columns, observations }: Design, coefficients: readonly number[]): Float64Array {
  const fitted = new Float64Array(observations);
  for (let index = 0; index < observations; index++) {
    let sum = 0;
    for (let column = 0; column < columns; column++) {
      sum += (values[index * columns + column] as number) * (coefficients[column] as number);
    }
    fitted[index] = sum;
  }
  return fitted;
}

export function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += (a[index] as number) * (b[index] ?? 0);
  return sum;
}

function normalEquations(
  { values, columns, observations }: Design,
  targets: Float64Array,
  weights: Float64Array,
): { gram: number[][]; moments: number[] } {
  const products = new Float64Array(columns * columns);
  const moments = new Float64Array(columns);
  for (let index = 0; index < observations; index++) {
    const start = index * columns;
    for (let a = 0; a < columns; a++) {
      const weighted = (weights[index] as number) * (values[start + a] as number);
      moments[a] = (moments[a] as number) + weighted * (targets[index] as number);
      for (let b = 0; b <= a; b++) {
        const at = a * columns + b;
        products[at] = (products[at] as number) + weighted * (values[start + b] as number);
      }
    }
  }
  const gram = Array.from({ length: columns }, (_, a) =>
    Array.from({ length: columns }, (_, b) => {
      const value = products[Math.max(a, b) * columns + Math.min(a, b)] as number;
      return a === b ? value * (1 + ridge) : value;
    }),
  );
  return { gram, moments: [...moments] };
}

/** Gaussian elimination; the matrix is symmetric and positive. Not finite where it is singular. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const size = right.length;
  const rows = matrix.map((row, index) => [...row, right[index] ?? 0]);
  for (const [column, top] of rows.entries()) {
    for (const below of rows.slice(column + 1)) {
      const factor = (below[column] ?? 0) / (top[column] ?? 0);
      for (let at = column; at <= size; at++) below[at] = (below[at] ?? 0) - factor * (top[at] ?? 0);
    }
  }
  const solution = Array<number>(size).fill(0);
  for (let row = size - 1; row >= 0; row--) {
    const current = rows[row] ?? [];
    const rest = (current[size] ?? 0) - dot(current.slice(row + 1, size), solution.slice(row + 1));
    solution[row] = rest / (current[row] ?? 0);
  }
  return solution;
}

/** The lower triangle L with L · Lᵀ = matrix. */
function cholesky(matrix: readonly (readonly number[])[]): number[][] {
  const lower: number[][] = [];
  for (const [index, row] of matrix.entries()) {
    const current: number[] = [];
    for (let column = 0; column < index; column++) {
      const above = lower[column] ?? [];
      current.push(((row[column] ?? 0) - dot(current, above)) / (above[column] ?? 1));
    }
    current.push(Math.sqrt(Math.max(1e-12 * (row[index] ?? 0), (row[index] ?? 0) - dot(current, current))));
    lower.push(current);
  }
  return lower;
}

/** Forward substitution. */
function solveLower(lower: readonly (readonly number[])[], right: readonly number[]): number[] {
  const solution: number[] = [];
  for (const [index, row] of lower.entries()) {
    solution.push(((right[index] ?? 0) - dot(solution, row)) / (row[index] || 1));
  }
  return solution;
}

function subMatrix(matrix: readonly (readonly number[])[], active: readonly number[]): number[][] {
  return active.map((row) => pick(matrix[row] ?? [], active));
}

function pick(values: readonly number[], indices: readonly number[]): number[] {
  return indices.map((index) => values[index] ?? 0);
}
