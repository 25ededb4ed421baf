import type { WriteStream } from "node:tty";
import type { Snapshot } from "./snapshot.ts";
import { hostTable, reservationLines, virtualMachineTable } from "./tables.ts";
import { timeline } from "./timeline.ts";

/** Shows how things stand: a picture that is drawn anew in place on a terminal, plain lines of what changed elsewhere. */
export class Screen {
  readonly #output: WriteStream;
  #linesDrawn = 0;
  #lastLines = new Map<string, string>();

  constructor(output: WriteStream) {
    this.#output = output;
  }

  /** Prints something that stays. */
  say(text: string): void {
    this.#erase();
    this.#output.write(`${text}\n`);
  }

  show(snapshot: Snapshot): void {
    if (this.#output.isTTY) this.#draw(snapshot);
    else this.#printChanges(snapshot);
  }

  /** Leaves what is drawn standing and goes on below it. */
  keep(): void {
    this.#linesDrawn = 0;
  }

  #draw(snapshot: Snapshot): void {
    const width = Math.min(this.#output.columns ?? 100, 120);
    const blocks = [
      reservationLines(snapshot),
      hostTable(snapshot),
      virtualMachineTable(snapshot),
      timeline(snapshot, width),
    ];
    const lines = blocks.filter((block) => block.length > 0).flatMap((block) => ["", ...block]);
    this.#erase();
    this.#output.write(lines.map((line) => `${line.slice(0, width)}\n`).join(""));
    this.#linesDrawn = lines.length;
  }

  #erase(): void {
    if (this.#linesDrawn > 0) this.#output.write(`\x1b[${this.#linesDrawn}A\x1b[0J`);
    this.#linesDrawn = 0;
  }

  #printChanges({ now, virtualMachines, reservation }: Snapshot): void {
    const time = now.toISOString().slice(11, 19);
    for (const vm of virtualMachines) {
      const { phase = "Pending", hostName = "-", migration } = vm.status ?? {};
      const where = migration ? `${migration.from} -> ${migration.to}` : hostName;
      this.#printOnce(`vm ${vm.metadata.name}`, `${phase} on ${where}`, time);
    }
    if (!reservation) return;
    const { phase = "Pending", onTimeProbability = "-", progress, startBy = "-" } = reservation.status ?? {};
    const moved = progress?.summary ?? "-";
    const text = `${phase}, start-by ${startBy}, on time ${onTimeProbability}, moved ${moved}`;
    this.#printOnce(`reservation ${reservation.metadata.name}`, text, time);
  }

  #printOnce(subject: string, text: string, time: string): void {
    if (this.#lastLines.get(subject) === text) return;
    this.#lastLines.set(subject, text);
    this.#output.write(`${time}  ${subject}: ${text}\n`);
  }
}
