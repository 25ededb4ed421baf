import type { Readable } from "node:stream";
import { CsvError, parse } from "csv-parse";
import type { MeasuredPlan } from "../model/plan-learner.ts";
import type { DurationSample } from "../model/shapes.ts";

/** A recording that cannot be used. The message names each bad line and what would be right. */
export class RecordingError extends Error {
  override readonly name = "RecordingError";
}

const requiredColumns = ["plan", "memory_mib", "seconds", "parallel", "plan_seconds"] as const;
type Column = (typeof requiredColumns)[number];

interface Row {
  plan: string;
  migration: DurationSample;
  totalSeconds: number;
}

/** Bad lines that are listed before reading ends. */
const mostComplaints = 20;
const mostMigrationsInPlan = 10_000;
const longestLineCharacters = 1_000_000;
const mebibyte = 2 ** 20;
/** A pebibyte: more is no VM but a slip. */
const mostMebibytes = 2 ** 30;
/** Ten years: more is a clock that jumped. */
const mostSeconds = 10 * 365 * 86_400;
const mostParallel = 1_000_000;

/**
 * Reads recorded migrations row by row, so that a file of any size takes little memory, and yields the plans in their order.
 * Adjacent rows with the same `plan` are one plan.
 * @throws RecordingError at the end, or after twenty bad lines, when a line was bad or there was none
 */
export async function* readPlans(csv: Readable): AsyncGenerator<MeasuredPlan> {
  const complaints: string[] = [];
  let open: { name: string; totalSeconds: number; migrations: DurationSample[] } | undefined;
  for await (const { line, row } of rows(csv, complaints)) {
    if (open && row.plan === open.name) {
      if (row.totalSeconds !== open.totalSeconds) {
        complain(
          complaints,
          line,
          `plan_seconds ${row.totalSeconds} is not ${open.totalSeconds} as in the rows before`,
        );
      } else if (open.migrations.length >= mostMigrationsInPlan) {
        complain(complaints, line, `plan ${shown(open.name)} has more than ${mostMigrationsInPlan} rows`);
      } else open.migrations.push(row.migration);
      continue;
    }
    if (open && complaints.length === 0) yield open;
    open = { name: row.plan, totalSeconds: row.totalSeconds, migrations: [row.migration] };
  }
  if (complaints.length > 0) throw new RecordingError(complaints.join("\n"));
  if (!open) throw new RecordingError("there are no rows after the header");
  yield open;
}

async function* rows(csv: Readable, complaints: string[]): AsyncGenerator<{ line: number; row: Row }> {
  let columns: Map<Column, number> | undefined;
  let width = 0;
  for await (const { line, cells } of records(csv)) {
    if (!columns) {
      columns = columnsOf(cells);
      width = cells.length;
      continue;
    }
    const row = cells.length === width ? rowOf(columns, cells) : `${cells.length} cells where the header has ${width}`;
    if (typeof row === "string") complain(complaints, line, row);
    else yield { line, row };
  }
  if (!columns) throw new RecordingError(`it is empty; a header with ${requiredColumns.join(", ")} is needed`);
}

async function* records(csv: Readable): AsyncGenerator<{ line: number; cells: string[] }> {
  const parser = parse({
    bom: true,
    info: true,
    trim: true,
    skip_empty_lines: true,
    relax_column_count: true,
    max_record_size: longestLineCharacters,
  });
  // Errors of the file reach whoever reads the parser.
  csv.once("error", (error) => parser.destroy(error));
  csv.pipe(parser);
  try {
    for await (const { info, record } of parser) yield { line: info.lines, cells: record };
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    // The parser's message may hold whatever is in the file.
    const reason = error.message.replace(/, value is .*/s, "").replaceAll(/[^\x20-\x7e]/g, "?");
    throw new RecordingError(`line ${String(error.lines ?? 1)}: ${reason.slice(0, 200)}`);
  } finally {
    csv.destroy();
  }
}

function columnsOf(header: readonly string[]): Map<Column, number> {
  const missing = requiredColumns.filter((name) => !header.includes(name));
  if (missing.length > 0) {
    const found = header.slice(0, 12).map(shown).join(", ");
    throw new RecordingError(`line 1: the header lacks ${missing.join(", ")}; it has ${found}`);
  }
  const twice = requiredColumns.filter((name) => header.indexOf(name) !== header.lastIndexOf(name));
  if (twice.length > 0) throw new RecordingError(`line 1: the header has ${twice.join(", ")} more than once`);
  return new Map(requiredColumns.map((name) => [name, header.indexOf(name)]));
}

/** @returns what is wrong with it when it is no row */
function rowOf(columns: ReadonlyMap<Column, number>, cells: readonly string[]): Row | string {
  const cell = (name: Column) => cells[columns.get(name) ?? -1] ?? "";
  const plan = cell("plan");
  if (plan === "") return "plan is empty";
  const reasons: string[] = [];
  const number = (name: Column, most: number, isWhole = false): number => {
    const text = cell(name);
    const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
    if (value > 0 && value <= most && (!isWhole || Number.isInteger(value))) return value;
    reasons.push(`${name} ${shown(text)} is not a ${isWhole ? "whole " : ""}number above 0, at most ${most}`);
    return 0;
  };
  const migration = {
    stateBytes: number("memory_mib", mostMebibytes) * mebibyte,
    seconds: number("seconds", mostSeconds),
    parallel: number("parallel", mostParallel, true),
  };
  const totalSeconds = number("plan_seconds", mostSeconds);
  return reasons.length > 0 ? reasons.join("; ") : { plan, migration, totalSeconds };
}

function complain(complaints: string[], line: number, reason: string): void {
  complaints.push(`line ${line}: ${reason}`);
  if (complaints.length < mostComplaints) return;
  throw new RecordingError([...complaints, "and perhaps more; reading ended here"].join("\n"));
}

function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
