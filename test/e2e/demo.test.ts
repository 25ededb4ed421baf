import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Score } from "../../hack/demo/score.ts";

const demo = new URL("../../hack/demo/main.ts", import.meta.url).pathname;

describe("the demo", () => {
  it("should vacate the hosts before the window and leave every guest whole", async () => {
    const folder = await mkdtemp(join(tmpdir(), "vacate-demo-"));
    try {
      const file = join(folder, "score.json");
      const output = await new Promise<string>((resolve, reject) => {
        execFile(process.execPath, [demo, "--json", file], { maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
          error ? reject(new Error(`${error.message}\n${stdout}\n${stderr}`)) : resolve(stdout),
        );
      });
      const score = JSON.parse(await readFile(file, "utf8")) as Score;
      expect(score).to.include({ passed: true, result: "OnTime" });
      expect(score.moves).to.have.length(5);
      expect(score.guests).to.have.length(6);
      expect(output).to.include("Predicted / measured");
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
