import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { DriverName } from "../../src/agent/protocol/types.ts";
import type { VirtualMachine } from "../../src/api/resources.ts";
import { ensureGuestImages } from "../guest/build.ts";
import { ensureKubectl } from "../kubectl/ensure.ts";
import { Testbed } from "../testbed/testbed.ts";
import { GuestWitness } from "./guest-witness.ts";
import { calibrationMoves, demoHosts, demoReservation, demoVirtualMachines, toYaml } from "./scenario.ts";
import { type Score, scoreOf } from "./score.ts";
import type { Screen } from "./screen.ts";
import { conditionStatus, type Snapshot, takeSnapshot } from "./snapshot.ts";

/** Milliseconds between two looks at the API. */
const refreshMilliseconds = 500;

interface DemoOptions {
  driver: DriverName;
  windowInSeconds: number;
  screen: Screen;
}

/** The whole scenario, station by station. */
export class Demo {
  readonly #testbed = new Testbed();
  readonly #options: DemoOptions;
  readonly #screen: Screen;
  #kubectl = "kubectl";

  constructor(options: DemoOptions) {
    this.#options = options;
    this.#screen = options.screen;
  }

  async run(signal: AbortSignal): Promise<Score> {
    const { driver } = this.#options;
    const started = performance.now();
    const images = driver === "QEMU" ? await ensureGuestImages() : undefined;
    this.#kubectl = await ensureKubectl();
    const setUpSeconds = (performance.now() - started) / 1000;
    this.#screen.say(`guest images and kubectl ready after ${setUpSeconds.toFixed(1)} s`);

    this.#screen.say("starting the control plane and four hosts");
    await this.#testbed.startControlPlane(signal);
    await this.#testbed.addHosts(demoHosts(driver, images), signal);
    this.#screen.say(`\nfollow along in another terminal:\n${this.followCommands()}\n`);
    await this.#until(
      "all hosts ready",
      ({ hosts }) => hosts.every((host) => conditionStatus(host, "Ready") === "True"),
      signal,
    );

    this.#screen.say("starting six guests");
    await this.#apply("guests.yaml", demoVirtualMachines());
    await this.#until("all guests running", allRunning, signal);
    const witness = new GuestWitness(this.#testbed.hosts);
    const names = demoVirtualMachines().map((vm) => vm.metadata.name);
    const before = await witness.testimonies(names, signal);

    this.#screen.say("three moves to learn from");
    for (const move of calibrationMoves()) await this.#moveHome(move, signal);

    const reservation = demoReservation(this.#options.windowInSeconds, new Date());
    this.#screen.say(
      `$ kubectl apply -f reservation.yaml     # ${reservation.spec.hosts.count} hosts at ${reservation.spec.window.start}`,
    );
    await this.#apply("reservation.yaml", [reservation]);
    const completed = (snapshot: Snapshot) =>
      snapshot.reservation !== undefined && conditionStatus(snapshot.reservation, "Completed") === "True";
    await this.#until("the reservation completed", (snapshot) => completed(snapshot) && allRunning(snapshot), signal);

    const end = await takeSnapshot(this.#testbed.client, signal);
    if (!end.reservation) throw new Error("the reservation is gone; was it deleted?");
    this.#screen.keep();
    return scoreOf(end.reservation, end.virtualMachines, await witness.prove(before, signal));
  }

  /** What a user types to look on. */
  followCommands(): string {
    const lines = [
      `export KUBECONFIG=${this.#testbed.controlPlane.kubeconfigPath}`,
      `${this.#kubectl} get vvm -w`,
      `${this.#kubectl} describe rsv experiment`,
      `curl -s ${this.#testbed.controlPlane.metricsUrl} | grep ^vacate_`,
    ];
    return lines.map((line) => `  ${line}`).join("\n");
  }

  remove(): Promise<void> {
    return this.#testbed.remove();
  }

  async #apply(fileName: string, objects: object[]): Promise<void> {
    const file = join(this.#testbed.folder, fileName);
    writeFileSync(file, toYaml(objects));
    await this.#testbed.kubectl(this.#kubectl, "apply", "-f", file);
  }

  /** A person changes a VM's home; that moves it. */
  async #moveHome(move: { name: string; namespace: string; to: string }, signal: AbortSignal): Promise<void> {
    const patch = JSON.stringify({ spec: { hostName: move.to } });
    await this.#testbed.kubectl(
      this.#kubectl,
      "patch",
      "vvm",
      move.name,
      "-n",
      move.namespace,
      "--type=merge",
      "-p",
      patch,
    );
    const arrived = ({ virtualMachines }: Snapshot) =>
      virtualMachines.some((vm) => vm.metadata.name === move.name && isAtHome(vm));
    await this.#until(`${move.name} at ${move.to}`, arrived, signal);
  }

  /** Shows how things stand until the goal is reached. */
  async #until(goal: string, reached: (snapshot: Snapshot) => boolean, signal: AbortSignal): Promise<void> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(goalMinutes * 60_000)]);
    for (;;) {
      const snapshot = await takeSnapshot(this.#testbed.client, limit).catch((error: unknown) => {
        throw limit.aborted && !signal.aborted ? new Error(`not reached in ${goalMinutes} minutes: ${goal}`) : error;
      });
      this.#screen.show(snapshot);
      if (reached(snapshot)) return;
      await sleep(refreshMilliseconds, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/** No station takes longer even on a busy machine; past it something is wrong and the demo must say so. */
const goalMinutes = 10;

function isAtHome(vm: VirtualMachine): boolean {
  return (
    vm.status?.hostName === vm.spec.hostName && vm.status?.migration === undefined && vm.status?.phase === "Running"
  );
}

function allRunning({ virtualMachines }: Snapshot): boolean {
  return virtualMachines.length > 0 && virtualMachines.every((vm) => conditionStatus(vm, "Running") === "True");
}
