import { expect } from "chai";
import {
  chooseMachineType,
  parseCpuModels,
  parseMachines,
} from "../../../../../src/agent/drivers/qemu/host-software.ts";
import { parseStartTicks } from "../../../../../src/agent/drivers/qemu/process-identity.ts";
import { processStateOf } from "../../../../../src/agent/drivers/qemu/qemu-process.ts";

describe("host software", () => {
  it("should read machine types", () => {
    const text = `Supported machines are:
microvm              microvm (i386)
pc-q35-7.2           Standard PC (Q35 + ICH9, 2009)
q35                  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)
`;
    expect(parseMachines(text)).to.deep.equal(["microvm", "pc-q35-7.2", "q35"]);
  });

  it("should read CPU models of older and newer QEMUs", () => {
    const old = `Available CPUs:
x86 486                   (alias configured by machine type)
x86 qemu64-v1             QEMU Virtual CPU version 2.5+

Recognized CPUID flags:
  3dnow 3dnowext
`;
    expect(parseCpuModels(old)).to.deep.equal(["486", "qemu64-v1"]);
    const newer =
      "Available CPUs:\n  Nehalem-v1  Intel Core i7 9xx\n  qemu64      (alias)\n\nRecognized CPUID flags:\n  acpi\n";
    expect(parseCpuModels(newer)).to.deep.equal(["Nehalem-v1", "qemu64"]);
  });

  it("should choose the default machine, else the newest versioned q35", () => {
    expect(chooseMachineType(["pc-q35-9.0", "pc-q35-7.2"])).to.equal("pc-q35-7.2");
    expect(chooseMachineType(["pc-q35-9.2", "q35", "pc-i440fx-11.0", "pc-q35-10.0"])).to.equal("pc-q35-10.0");
    expect(() => chooseMachineType(["q35", "pc"])).to.throw(/no versioned q35/);
  });
});

describe("processes", () => {
  const stat = (state: string) =>
    `42 (qemu) S (x) ${state} 1 ${Array.from({ length: 17 }, (_, index) => index).join(" ")} 777 0`;

  it("should read a start time behind a name with brackets, and none of a process that has ended", () => {
    expect(parseStartTicks(stat("S"))).to.equal("777");
    expect(parseStartTicks(stat("Z"))).to.equal(undefined);
    expect(parseStartTicks(stat("X"))).to.equal(undefined);
  });

  it("should read QEMU's run states", () => {
    expect(["running", "inmigrate", "paused", "postmigrate", "io-error"].map(processStateOf)).to.deep.equal([
      "Running",
      "Waiting",
      "Paused",
      "Paused",
      "Paused",
    ]);
  });
});
