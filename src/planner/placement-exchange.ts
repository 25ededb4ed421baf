import type { Placement } from "./placement.ts";
import { candidatesByCost, type PlacementProblem } from "./placement-search.ts";

/** Pairs of guest and host looked at. */
const exchangeEffort = 200_000;
const negligible = 1e-9;

/** Moves single guests to cheaper targets, also where another displaced one has to make room by going elsewhere. */
export class Exchange {
  readonly #problem: PlacementProblem;
  readonly #placements: readonly Placement[];
  /** Those whose place may be changed, by VM uid. */
  readonly #movable = new Map<string, Placement>();
  #left = exchangeEffort;

  constructor(problem: PlacementProblem, placements: readonly Placement[]) {
    this.#problem = problem;
    this.#placements = placements.map((placement) => ({ ...placement }));
  }

  /** The placements after the last exchange that gained something. */
  run(): readonly Placement[] {
    const { room } = this.#problem;
    for (const placement of this.#placements) {
      const { guest, to } = placement;
      if (room.take(guest, to)) this.#movable.set(guest.uid, placement);
    }
    while (this.#left > 0 && this.#pass());
    for (const { guest, to } of this.#movable.values()) room.leave(guest, to);
    return this.#placements;
  }

  /** Returns whether anything was gained. */
  #pass(): boolean {
    let isImproved = false;
    for (const placement of this.#movable.values()) if (this.#improve(placement)) isImproved = true;
    return isImproved;
  }

  #improve(placement: Placement): boolean {
    const { room, cost } = this.#problem;
    const { guest } = placement;
    const present = cost(guest, placement.to);
    for (const { to, cost: less } of candidatesByCost(this.#problem, guest)) {
      const gain = present - less;
      if (gain <= negligible || this.#left-- <= 0) return false;
      if (room.fits(guest, to)) {
        this.#shift(placement, to);
        return true;
      }
      if (this.#makeRoom(placement, to, gain)) return true;
    }
    return false;
  }

  /** Sends one displaced guest on the target elsewhere, if that costs less than what is gained. */
  #makeRoom(placement: Placement, to: string, gain: number): boolean {
    const { room } = this.#problem;
    const from = placement.to;
    for (const { uid } of room.guestsOn(to)) {
      const other = this.#movable.get(uid);
      if (!other || other.to !== to) continue;
      room.leave(other.guest, to);
      if (room.fits(placement.guest, to)) {
        this.#shift(placement, to);
        const elsewhere = this.#elsewhere(other, gain);
        if (elsewhere !== undefined) {
          this.#shift(other, elsewhere);
          return true;
        }
        this.#shift(placement, from);
      }
      room.take(other.guest, to);
    }
    return false;
  }

  #elsewhere({ guest, to }: Placement, gain: number): string | undefined {
    const { room, cost } = this.#problem;
    const most = cost(guest, to) + gain - negligible;
    const choice = candidatesByCost(this.#problem, guest).find((one) => {
      this.#left--;
      return one.to !== to && one.cost < most && room.fits(guest, one.to);
    });
    return choice?.to;
  }

  #shift(placement: Placement, to: string): void {
    this.#problem.room.leave(placement.guest, placement.to);
    this.#problem.room.take(placement.guest, to);
    placement.to = to;
  }
}
