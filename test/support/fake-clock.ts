export { settle, VirtualClock as FakeClock } from "../../src/simulation/virtual-clock.ts";
