import type { Phase } from "../model/phase-fits.ts";
import type { Contention } from "./contention.ts";

/** One migration: phases one after the other, each on the hosts that do the work. */
export interface FluidJob {
  from: string;
  to: string;
  /** Seconds of each phase when nobody else is there. */
  seconds: Readonly<Record<Phase, number>>;
  contention: Contention;
  /** Jobs, by index, that have to be over before this one begins. */
  waitsFor: readonly number[];
}

const phases = ["preparation", "suspend", "copy", "resume"] as const;
/** Rounding leaves specks of work that would never end. */
const speckSeconds = 1e-9;

/**
 * Runs the jobs in their order, so many at once, and tells when the last one ends. A phase slows down with the number of
 * jobs that are in the same phase on the same host; a copy with the more crowded of its two ends.
 */
export class FluidSimulation {
  readonly #jobs: readonly FluidJob[];
  /** Each job's hosts as numbers. */
  readonly #from: Int32Array;
  readonly #to: Int32Array;
  readonly #hostCount: number;

  constructor(jobs: readonly FluidJob[]) {
    this.#jobs = jobs;
    const numbers = new Map<string, number>();
    const numberOf = (host: string) => {
      const number = numbers.get(host) ?? numbers.size;
      numbers.set(host, number);
      return number;
    };
    this.#from = Int32Array.from(jobs, ({ from }) => numberOf(from));
    this.#to = Int32Array.from(jobs, ({ to }) => numberOf(to));
    this.#hostCount = numbers.size;
  }

  /**
   * Seconds until the last job ends.
   * @param slots jobs at once; 1 or more
   * @param factors how many times its predicted time each job takes; absent is 1 for all
   */
  endSeconds(slots: number, factors?: Float64Array): number {
    const crowds = new Crowds(this.#from, this.#to, this.#hostCount);
    const waiting = this.#jobs.map((_, index) => index);
    const isDone = new Uint8Array(this.#jobs.length);
    let running: Running[] = [];
    let now = 0;
    while (waiting.length > 0 || running.length > 0) {
      for (const job of this.#begin(waiting, slots - running.length, running.length === 0, isDone)) {
        running.push({ job, phase: 0, left: this.#work(job, 0, factors) });
        crowds.enter(job, 0);
      }
      const slowdowns = running.map(({ job, phase }) => this.#slowdown(job, phase, crowds));
      let step = Number.POSITIVE_INFINITY;
      for (const [index, { left }] of running.entries()) step = Math.min(step, left * (slowdowns[index] ?? 1));
      for (const [index, one] of running.entries()) {
        one.left -= step / (slowdowns[index] ?? 1);
        this.#goOn(one, crowds, factors);
        if (one.phase >= phases.length) isDone[one.job] = 1;
      }
      now += step;
      running = running.filter(({ phase }) => phase < phases.length);
    }
    return now;
  }

  /** Takes those out of the waiting that begin now. */
  #begin(waiting: number[], slots: number, isIdle: boolean, isDone: Uint8Array): number[] {
    const begun: number[] = [];
    while (begun.length < slots && waiting.length > 0) {
      const next = waiting.findIndex((job) => this.#isReady(job, isDone));
      // Jobs that wait for each other would never begin; the first one breaks the circle.
      const place = next < 0 && isIdle && begun.length === 0 ? 0 : next;
      if (place < 0) break;
      begun.push(...waiting.splice(place, 1));
    }
    return begun;
  }

  #isReady(job: number, isDone: Uint8Array): boolean {
    return this.#jobs[job]?.waitsFor.every((other) => isDone[other] === 1) ?? true;
  }

  #work(job: number, phase: number, factors: Float64Array | undefined): number {
    return (this.#jobs[job]?.seconds[phases[phase] as Phase] ?? 0) * (factors?.[job] ?? 1);
  }

  /** On to the next phase that has any work, when this one is over. */
  #goOn(one: Running, crowds: Crowds, factors: Float64Array | undefined): void {
    while (one.left < speckSeconds && one.phase < phases.length) {
      crowds.leave(one.job, one.phase++);
      if (one.phase === phases.length) return;
      crowds.enter(one.job, one.phase);
      one.left = this.#work(one.job, one.phase, factors);
    }
  }

  /** How many times as long as alone the phase takes just now. */
  #slowdown(job: number, phase: number, crowds: Crowds): number {
    const name = phases[phase] as Phase;
    return 1 + (this.#jobs[job]?.contention[name] ?? 0) * (crowds.around(job, phase) - 1);
  }
}

interface Running {
  job: number;
  phase: number;
  /** Seconds of work left in the phase. */
  left: number;
}

/** How many jobs are in which phase on which host. */
class Crowds {
  readonly #from: Int32Array;
  readonly #to: Int32Array;
  readonly #sources: Int32Array;
  readonly #targets: Int32Array;

  constructor(from: Int32Array, to: Int32Array, hostCount: number) {
    this.#from = from;
    this.#to = to;
    this.#sources = new Int32Array(hostCount * phases.length);
    this.#targets = new Int32Array(hostCount * phases.length);
  }

  enter(job: number, phase: number): void {
    this.#count(job, phase, 1);
  }

  leave(job: number, phase: number): void {
    this.#count(job, phase, -1);
  }

  /** Jobs in the same phase where this one does its work, itself included. */
  around(job: number, phase: number): number {
    const onSource = this.#sources[place(this.#from, job, phase)] ?? 1;
    const onTarget = this.#targets[place(this.#to, job, phase)] ?? 1;
    const name = phases[phase];
    // Links are full duplex: what leaves a host does not slow down what arrives there.
    if (name === "copy") return Math.max(onSource, onTarget);
    return name === "suspend" ? onSource : onTarget;
  }

  #count(job: number, phase: number, change: number): void {
    const [source, target] = [place(this.#from, job, phase), place(this.#to, job, phase)];
    this.#sources[source] = (this.#sources[source] ?? 0) + change;
    this.#targets[target] = (this.#targets[target] ?? 0) + change;
  }
}

function place(hosts: Int32Array, job: number, phase: number): number {
  return (hosts[job] ?? 0) * phases.length + phase;
}
