/**
 * Checks everything that needs no test: generated files, format, lint with import directions (biome.json), types, dead code.
 * Ends with a line for each check and fails when one of them did.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const root = new URL("../", import.meta.url);
const generatedFiles = ["src/api/types.gen.ts"];

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
}

function generatedFilesAreUpToDate(): void {
  const read = () => generatedFiles.map((file) => readFileSync(new URL(file, root), "utf8"));
  const before = read();
  run("npm", "run", "--silent", "generate");
  const after = read();
  const stale = generatedFiles.filter((_, index) => before[index] !== after[index]);
  if (stale.length > 0) throw new Error(`${stale.join(", ")} did not match crds/; it was written anew, commit it`);
}

const checks: [string, () => void][] = [
  ["generated files", generatedFilesAreUpToDate],
  ["format, lint and import directions", () => run("biome", "ci", "--colors=off", "--error-on-warnings", ".")],
  ["types", () => run("tsc", "--noEmit")],
  ["dead code", () => run("knip")],
];

const failed: string[] = [];
for (const [name, check] of checks) {
  try {
    check();
    console.log(`ok      ${name}`);
  } catch (error) {
    failed.push(name);
    console.log(`FAILED  ${name}: ${error instanceof Error ? error.message : error}`);
  }
}
if (failed.length > 0) process.exitCode = 1;
