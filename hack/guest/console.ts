/** What a guest of hack/guest said on its serial port, read as evidence. */
export interface GuestConsole {
  /** Each boot seen, in order. A guest that only ever moved shows one. */
  boots: string[];
  /** The last number counted; 0 when there is none. */
  lastCounter: number;
  /** The counter was seen to stand still or go back within one boot, or a boot came back after another. */
  wentBackwards: boolean;
  /** Blocks of memory verified so far in the last boot, and complete passes over all of them. */
  memory: { verifiedBlocks: number; passes: number };
  /** Number of the newest record on its disk; goes on over boots. */
  diskRecord: number;
  networkAnswers: number;
  /** Every line with a bad verdict, or in which the guest says that it failed. */
  complaints: string[];
}

const counterLine = /^counter (\d+) uptime [\d.]+ boot (\S+)$/;
const memoryLine = /^memory ok (\d+) pass (\d+)$/;
const diskLine = /^disk ok (\d+)$/;
const networkLine = /^network ok (\d+)$/;
const complaintLine = /^(memory|disk|network) BAD\b|^guest FAILED\b|Kernel panic|\bOops\b|BUG:/;

/**
 * @param text the consoles of all hosts that the guest was on, one after the other: a line that was cut by a suspend
 *   is whole again then. Lines of which only a part is there are left out.
 */
export function readGuestConsole(text: string): GuestConsole {
  const result: GuestConsole = {
    boots: [],
    lastCounter: 0,
    wentBackwards: false,
    memory: { verifiedBlocks: 0, passes: 0 },
    diskRecord: 0,
    networkAnswers: 0,
    complaints: [],
  };
  for (const raw of text.split("\n").slice(0, -1)) {
    const line = raw.replace(/\r$/, "");
    if (complaintLine.test(line)) result.complaints.push(line);
    readCounter(line, result);
    const memory = memoryLine.exec(line);
    if (memory) result.memory = { verifiedBlocks: Number(memory[1]), passes: Number(memory[2]) };
    result.diskRecord = Number(diskLine.exec(line)?.[1] ?? result.diskRecord);
    result.networkAnswers = Number(networkLine.exec(line)?.[1] ?? result.networkAnswers);
  }
  return result;
}

function readCounter(line: string, result: GuestConsole): void {
  const [, counter, boot] = counterLine.exec(line) ?? [];
  if (counter === undefined || boot === undefined) return;
  if (boot === result.boots.at(-1)) {
    if (Number(counter) <= result.lastCounter) result.wentBackwards = true;
  } else {
    if (result.boots.includes(boot)) result.wentBackwards = true;
    result.boots.push(boot);
  }
  result.lastCounter = Number(counter);
}
