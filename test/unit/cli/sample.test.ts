import { expect } from "chai";
import { startIn } from "../../../src/cli/sample.ts";

describe("vacate sample", () => {
  it("should put the window that long after now, in whole seconds", () => {
    expect(startIn("2m", new Date("2030-01-31T08:58:00.750Z"))).to.equal("2030-01-31T09:00:00Z");
  });

  it("should say which option holds no duration", () => {
    expect(() => startIn("soon", new Date())).to.throw('--in: duration "soon"');
  });
});
