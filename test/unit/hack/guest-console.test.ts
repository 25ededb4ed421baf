import { expect } from "chai";
import { readGuestConsole } from "../../../hack/guest/console.ts";

describe("guest console", () => {
  it("should read what the guest last said of each thing", () => {
    const text = `guest boot abc
counter 1 uptime 3.48 boot abc\r
memory ok 4 pass 0\r
disk ok 64
network ok 1
counter 2 uptime 4.71 boot abc
memory ok 8 pass 1
disk ok 65
counter 3 upt`;
    expect(readGuestConsole(text)).to.deep.equal({
      boots: ["abc"],
      lastCounter: 2,
      wentBackwards: false,
      memory: { verifiedBlocks: 8, passes: 1 },
      diskRecord: 65,
      networkAnswers: 1,
      complaints: [],
    });
  });

  it("should join a line that two hosts saw half of each", () => {
    const whole = readGuestConsole(
      "counter 1 uptime 1.0 boot a\ncounter 2 upt" + "ime 2.0 boot a\ncounter 3 uptime 3.0 boot a\n",
    );
    expect(whole).to.deep.include({ lastCounter: 3, wentBackwards: false });
  });

  it("should notice a counter that went back, and an earlier boot that came back", () => {
    const again = "counter 5 uptime 5.0 boot a\ncounter 5 uptime 5.9 boot a\n";
    expect(readGuestConsole(again).wentBackwards).to.equal(true);
    const reboot = "counter 5 uptime 5.0 boot a\ncounter 1 uptime 1.0 boot b\n";
    expect(readGuestConsole(reboot)).to.deep.include({ wentBackwards: false, boots: ["a", "b"] });
    expect(readGuestConsole(`${reboot}counter 6 uptime 6.0 boot a\n`).wentBackwards).to.equal(true);
  });

  it("should collect every complaint", () => {
    const lines = [
      "memory BAD block 3",
      "disk BAD 7",
      "guest FAILED insmod virtio_blk",
      "[1.0] Kernel panic - not syncing",
    ];
    expect(readGuestConsole(`${lines.join("\n")}\n`).complaints).to.deep.equal(lines);
  });
});
