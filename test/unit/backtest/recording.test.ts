import { Readable } from "node:stream";
import { expect } from "chai";
import { RecordingError, readPlans } from "../../../src/backtest/recording.ts";
import type { MeasuredPlan } from "../../../src/model/plan-learner.ts";

const header = "plan,memory_mib,seconds,parallel,plan_seconds";

async function read(text: string | Iterable<string>): Promise<MeasuredPlan[]> {
  const plans: MeasuredPlan[] = [];
  for await (const plan of readPlans(Readable.from(typeof text === "string" ? [text] : text))) plans.push(plan);
  return plans;
}

async function refusal(text: string): Promise<string> {
  const error = await read(text).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(RecordingError);
  return (error as Error).message;
}

describe("reading recorded migrations", () => {
  it("should make one plan of adjacent rows and ignore other columns, their order, and blank lines", async () => {
    const text =
      "seconds,plan,note,parallel,memory_mib,plan_seconds\n5,a,x,2,512,6\n\n6,a,,2,1024,6\r\n1.5e1,b,,1,64,15\n7,a,,1,1,7\n";
    const plans = await read(`\uFEFF${text}`);
    expect(plans.map(({ totalSeconds, migrations }) => [totalSeconds, migrations.length])).to.deep.equal([
      [6, 2],
      [15, 1],
      [7, 1],
    ]);
    expect(plans[0]?.migrations[0]).to.deep.equal({ stateBytes: 512 * 2 ** 20, seconds: 5, parallel: 2 });
  });

  it("should name every bad line with its reason", async () => {
    const lines = [
      header,
      "a,512,5,1,5",
      "b,512,NaN,1,5",
      "c,-1,5,1.5,5",
      "d,512,5",
      "e,512,5,1,5",
      "e,512,5,1,6",
      ",512,5,1,5",
      "f,512,Infinity,0,0x10",
    ];
    const message = await refusal(lines.join("\n"));
    expect(message.split("\n")).to.have.length(6);
    expect(message).to.match(/^line 3: seconds "NaN" is not a number above 0/);
    expect(message).to.match(/line 4: memory_mib "-1" .*; parallel "1.5" is not a whole number/);
    expect(message).to.contain("line 5: 3 cells where the header has 5");
    expect(message).to.contain("line 7: plan_seconds 6 is not 5");
    expect(message).to.contain("line 8: plan is empty");
    expect(message).to.match(/line 9: seconds "Infinity".*; parallel "0".*; plan_seconds "0x10"/);
  });

  it("should refuse what has no rows or no header", async () => {
    expect(await refusal("")).to.contain("empty");
    expect(await refusal("\n\n")).to.contain("empty");
    expect(await refusal(header)).to.contain("no rows");
    expect(await refusal("plan,seconds\na,1")).to.contain(
      "line 1: the header lacks memory_mib, parallel, plan_seconds",
    );
    expect(await refusal(`${header},seconds\n`)).to.contain("seconds more than once");
  });

  it("should say where garbage begins and print none of it", async () => {
    expect(await refusal(`${header}\na,512,5,1,5\nb,512,"5,1,5\n\u0007`)).to.match(/^line \d: Quote Not Closed/);
    const garbage = await refusal('\u0000\u0001"\u001b[31m,\n'.repeat(50));
    expect([...garbage].every((character) => character >= " " && character <= "~")).to.equal(true);
  });

  it("should give up after twenty bad lines", async () => {
    const message = await refusal(`${header}\n${"a,?,1,1,1\n".repeat(1000)}`);
    expect(message.split("\n")).to.have.length(21);
  });

  it("should refuse a line that never ends before it has all of it", async () => {
    let produced = 0;
    function* endless() {
      yield `${header}\n`;
      for (; produced < 1e5; produced++) yield "x".repeat(10_000);
    }
    const error = await read(endless()).catch((reason: Error) => reason);
    expect(error).to.be.instanceOf(RecordingError);
    expect(produced).to.be.below(2000);
  });

  it("should take terabytes and refuse zero bytes", async () => {
    expect((await read(`${header}\na,4194304,5,1,5`))[0]?.migrations[0]?.stateBytes).to.equal(2 ** 42);
    expect(await refusal(`${header}\na,0,5,1,5`)).to.contain('memory_mib "0"');
  });
});
