import type { Highs } from "highs";
import { matchesLabels } from "../../src/api/label-selector.ts";
import type { PlannerGuest } from "../../src/planner/inputs.ts";
import { predictMove } from "../../src/planner/move-cost.ts";
import type { Instance } from "./planner-instances.ts";

/** Seconds after which an instance is left out. */
const timeLimitSeconds = 60;

/** The least sum of predicted seconds with which the reservation's hosts can be vacated, as an integer program knows it. */
export type ExactAnswer = { kind: "Optimal"; seconds: number } | { kind: "Infeasible" } | { kind: "Unknown" };

/**
 * Solves the same problem by an integer program that shares no code with the planner but the prediction of one move:
 * which hosts are vacated (y), which guest goes where (x).
 */
export function solveExactly(highs: Highs, instance: Instance): ExactAnswer {
  const program = new IntegerProgram(instance);
  const solution = highs.solve(program.text(), { time_limit: timeLimitSeconds, mip_rel_gap: 0 });
  if (solution.Status === "Infeasible") return { kind: "Infeasible" };
  if (solution.Status !== "Optimal") return { kind: "Unknown" };
  return { kind: "Optimal", seconds: solution.ObjectiveValue };
}

interface Assignment {
  variable: string;
  guest: PlannerGuest;
  to: string;
  seconds: number;
}

class IntegerProgram {
  readonly #instance: Instance;
  readonly #assignments: Assignment[] = [];
  readonly #constraints: string[] = [];
  readonly #hosts: ReadonlySet<string>;

  constructor(instance: Instance) {
    this.#instance = instance;
    const { cluster } = instance;
    const reservable = cluster.hosts.filter((host) => this.#isReservable(host.name));
    this.#hosts = new Set(reservable.map(({ name }) => name));
    for (const guest of cluster.guests) if (this.#hosts.has(guest.hostName ?? "")) this.#addGuest(guest);
    this.#constraints.push(`${sum([...this.#hosts].map(vacated)) || "0 unused"} = ${instance.request.count}`);
    for (const host of cluster.hosts) this.#addTarget(host.name);
  }

  text(): string {
    const objective = sum(this.#assignments.map(({ variable, seconds }) => `${seconds} ${variable}`));
    const variables = [...this.#hosts].map(vacated).concat(this.#assignments.map(({ variable }) => variable));
    return [
      "Minimize",
      `obj: ${objective || "0 unused"}`,
      "Subject To",
      ...this.#constraints.map((constraint, index) => `c${index}: ${constraint}`),
      "Binary",
      ...variables,
      "unused",
      "End",
    ].join("\n");
  }

  #isReservable(name: string): boolean {
    const { request, cluster } = this.#instance;
    const host = cluster.hosts.find((one) => one.name === name);
    if (!host?.isReady || !matchesLabels(request.selector, host.labels)) return false;
    if (host.cpus < request.minCpus || host.memoryBytes < request.minMemoryBytes) return false;
    return cluster.guests.every((guest) => guest.hostName !== name || guest.isMovable);
  }

  /** If its host is vacated, the guest goes to just one other that is open. */
  #addGuest(guest: PlannerGuest): void {
    const { hosts, guests } = this.#instance.cluster;
    const from = hosts.find((host) => host.name === guest.hostName);
    const own = hosts
      .filter((host) => host !== from && host.isReady && !host.isUnschedulable)
      .filter((host) => matchesLabels(guest.hostSelector, host.labels))
      .filter((host) => !guests.some((other) => other.hostName === host.name && areRivals(guest, other)))
      .map((host): Assignment => {
        const seconds = predictMove(guest, from, host).totalSeconds;
        return { variable: `x_${guest.uid}_${host.name}`.replaceAll("-", "_"), guest, to: host.name, seconds };
      });
    this.#assignments.push(...own);
    const targets = sum(own.map(({ variable }) => variable));
    this.#constraints.push(
      targets ? `${targets} - ${vacated(guest.hostName ?? "")} = 0` : `${vacated(guest.hostName ?? "")} = 0`,
    );
  }

  /** A target has to have room, is not vacated itself, and holds no two that stay apart. */
  #addTarget(name: string): void {
    const { hosts, guests } = this.#instance.cluster;
    const host = hosts.find((one) => one.name === name);
    const arriving = this.#assignments.filter(({ to }) => to === name);
    if (!host || arriving.length === 0) return;
    const residents = guests.filter(({ hostName }) => hostName === name);
    for (const need of ["cpus", "memoryBytes"] as const) {
      const unit = need === "cpus" ? 1 : 2 ** 30;
      const free = residents.reduce((left, guest) => left - guest[need], host[need]) / unit;
      this.#constraints.push(`${sum(arriving.map((one) => `${one.guest[need] / unit} ${one.variable}`))} <= ${free}`);
    }
    if (this.#hosts.has(name)) {
      for (const { variable } of arriving) this.#constraints.push(`${variable} + ${vacated(name)} <= 1`);
    }
    for (const [index, one] of arriving.entries()) {
      for (const other of arriving.slice(index + 1)) {
        if (areRivals(one.guest, other.guest)) this.#constraints.push(`${one.variable} + ${other.variable} <= 1`);
      }
    }
  }
}

function vacated(name: string): string {
  return `y_${name}`.replaceAll("-", "_");
}

function sum(terms: readonly string[]): string {
  return terms.join(" + ");
}

function areRivals(a: PlannerGuest, b: PlannerGuest): boolean {
  const avoids = (one: PlannerGuest, other: PlannerGuest) =>
    one.apartFrom !== undefined && one.namespace === other.namespace && matchesLabels(one.apartFrom, other.labels);
  return a.uid !== b.uid && (avoids(a, b) || avoids(b, a));
}
