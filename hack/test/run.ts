/**
 * Runs the test suites one after another and sums them up: `node hack/test/run.ts [SUITE…]`.
 * The last line is `N passed, N failed`; what was skipped is named before it.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startKubeApiServer } from "../../test/support/kube-apiserver.ts";

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  skippedTitles: string[];
}

interface Suite {
  specs: string[];
  /** Test timeouts in milliseconds; generous, since machines are shared. */
  timeoutMilliseconds: number;
  /** Runs against a real kube-apiserver instead of the embedded one. */
  realApiServer?: boolean;
}

const suites: Record<string, Suite> = {
  unit: { specs: ["test/unit/**/*.test.ts"], timeoutMilliseconds: 20_000 },
  integration: { specs: ["test/integration/**/*.test.ts"], timeoutMilliseconds: 120_000 },
  "kube-apiserver": {
    specs: ["test/integration/cluster/**/*.test.ts"],
    timeoutMilliseconds: 180_000,
    realApiServer: true,
  },
  e2e: { specs: ["test/e2e/**/*.test.ts"], timeoutMilliseconds: 300_000 },
};

const scratch = mkdtempSync(join(tmpdir(), "vacate-test-"));

function mocha(name: string, suite: Suite, environment: NodeJS.ProcessEnv): Promise<Counts> {
  const countsFile = join(scratch, `${name}.json`);
  const args = [
    "--reporter",
    "hack/test/counting-reporter.cjs",
    "--timeout",
    String(suite.timeoutMilliseconds),
    ...suite.specs,
  ];
  const child = spawn("mocha", args, {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...environment, VACATE_TEST_COUNTS: countsFile },
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(countsOf(name, countsFile, code)));
  });
}

function countsOf(name: string, countsFile: string, exitCode: number | null): Counts {
  try {
    const counts = JSON.parse(readFileSync(countsFile, "utf8")) as Counts;
    // A run that counted no failure and still did not exit with 0 has lost something on the way.
    if (exitCode !== 0 && counts.failed === 0) counts.failed = 1;
    if (counts.passed + counts.failed === 0) counts.failed = 1;
    return counts;
  } catch {
    console.log(`suite ${name} ended with exit code ${exitCode} and counted nothing`);
    return { passed: 0, failed: 1, skipped: 0, skippedTitles: [] };
  }
}

async function runSuite(name: string, suite: Suite): Promise<Counts> {
  console.log(`\n=== ${name}`);
  if (!suite.realApiServer || process.env.VACATE_TEST_KUBECONFIG) return mocha(name, suite, {});
  const server = await startKubeApiServer();
  try {
    return await mocha(name, suite, { VACATE_TEST_KUBECONFIG: server.kubeconfigPath });
  } finally {
    await server.stop();
  }
}

const { positionals } = parseArgs({ allowPositionals: true });
const names = positionals.length > 0 ? positionals : Object.keys(suites);
const rows: [string, Counts][] = [];
for (const name of names) {
  const suite = suites[name];
  if (!suite) throw new Error(`no test suite ${JSON.stringify(name)}; there are ${Object.keys(suites).join(", ")}`);
  rows.push([name, await runSuite(name, suite)]);
}
rmSync(scratch, { recursive: true });

console.log("\n=== summary");
for (const [name, { passed, failed, skipped, skippedTitles }] of rows) {
  console.log(`${name.padEnd(16)} ${passed} ok, ${failed} not, ${skipped} left out`);
  for (const title of skippedTitles) console.log(`  left out: ${title}`);
}
const sum = (field: "passed" | "failed") => rows.reduce((total, [, counts]) => total + counts[field], 0);
console.log(`${sum("passed")} passed, ${sum("failed")} failed`);
process.exitCode = sum("failed") > 0 ? 1 : 0;
