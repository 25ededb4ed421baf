import { formatSeconds } from "../api/duration.ts";
import { formatBytes } from "../api/quantity.ts";
import type { MoveView, PlanView } from "./plan-view.ts";
import { element, escapeText, label, shortened } from "./svg.ts";
import { svgStyle } from "./svg-style.ts";
import { percent, plural, time } from "./text.ts";
import { type TimeAxis, timeAxis } from "./time-axis.ts";

const width = 1080;
const padding = 24;
const gutter = 172;
const headerHeight = 112;
const barHeight = 12;
/** A generous estimate: which font there is, is not known here. */
const characterWidth = 7.4;
const smallCharacterWidth = 6.4;
const boldCharacterWidth = 8.2;
const longestName = 34;
/** With more VMs than this a lane is only as high as its bar, and says its name when pointed at. */
const mostLabelledMoves = 60;

interface Row {
  y: number;
  height: number;
  markup: string[];
}

/** The plan as a time line: one row a host, one bar a VM. A whole SVG document. */
export function planSvg(view: PlanView): string {
  const windowSeconds = (view.windowStart.getTime() - view.begin.getTime()) / 1000;
  const last = Math.max(0, ...view.moves.map((move) => move.latestEndSeconds));
  const axis = timeAxis(padding + gutter, width - padding, windowSeconds, last);
  const rows: Row[] = [];
  let y = headerHeight;
  const add = (row: Row) => {
    rows.push(row);
    y += row.height + 2;
  };
  for (const host of view.hosts) add(vacatedHost(view, host, y, axis));
  for (const host of [...new Set(view.moves.map((move) => move.to))].sort()) add(targetHost(view, host, y, axis));
  const height = y + 74;
  const content = [
    element("style", {}, svgStyle),
    element("rect", { class: "page", width, height, rx: 8 }),
    header(view),
    ...rows.map((row, index) => band(row, index)),
    grid(axis, y),
    windowMark(view, axis.x(windowSeconds), axis.right, y),
    startMark(view, axis.x(0), axis.x(windowSeconds), y),
    ...rows.flatMap((row) => row.markup),
    legend(y + 48),
  ];
  return document(height, `Plan of ${view.reservation}`, content);
}

/** A refusal in the same dress. */
export function refusalSvg(reservation: string, refusal: { reason: string; message: string }): string {
  const lines = wrapped(refusal.message, 130).slice(0, 30);
  const height = 100 + lines.length * 20;
  return document(height, `No plan for ${reservation}`, [
    element("style", {}, svgStyle),
    element("rect", { class: "page", width, height, rx: 8 }),
    label(padding, 40, shortened(reservation, 80), { class: "title" }),
    label(padding, 63, `not feasible: ${refusal.reason}`, { class: "start-text strong" }),
    ...lines.map((line, index) => label(padding, 92 + index * 20, line)),
  ]);
}

function document(height: number, title: string, content: readonly string[]): string {
  const attributes = { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${width} ${height}`, width, height };
  return `${element("svg", { ...attributes, role: "img" }, `<title>${escapeText(title)}</title>`, ...content.map((part) => `\n${part}`), "\n")}\n`;
}

function header(view: PlanView): string {
  const { moves, hosts, parallelMigrations: parallel, onTimeTarget, confidence } = view;
  const atOnce = moves.length < 2 ? "" : parallel === 1 ? ", one after another" : `, ${parallel} at once`;
  const facts = [
    `${plural(hosts.length, "host")} to vacate, ${plural(moves.length, "VM")} to move${atOnce}`,
    ...(moves.length === 0 ? [] : [`${formatSeconds(view.predictedSeconds)} predicted, ${confidence} confidence`]),
    `${formatSeconds(view.allowanceSeconds)} set aside`,
    `on time ${percent(view.onTimeProbability)} (${percent(onTimeTarget)} wanted)`,
  ];
  return [
    label(padding, 40, shortened(view.reservation, 80), { class: "title" }),
    label(padding, 62, facts.join("  ·  "), { class: "muted" }),
  ].join("");
}

function band({ y, height }: Row, index: number): string {
  if (index % 2 === 1) return "";
  return element("rect", { class: "band", x: padding - 8, y, width: width - 2 * padding + 16, height, rx: 4 });
}

/** Every VM that leaves has a lane of its own, so that bars and names never cover each other. */
function vacatedHost(view: PlanView, host: string, y: number, axis: TimeAxis): Row {
  const leaving = view.moves.filter((move) => move.from === host);
  const isLabelled = view.moves.length <= mostLabelledMoves;
  const lane = isLabelled ? 22 : 7;
  const height = Math.max(40, leaving.length * lane + 10);
  const subject = leaving.length === 0 ? "free already" : `${plural(leaving.length, "VM")} ${verb(leaving, "leave")}`;
  const top = y + Math.max(5, (height - leaving.length * lane) / 2);
  const markup = [
    hostLabel(view, host, subject, y),
    ...leaving.map((move, index) => {
      const middle = top + (index + 0.5) * lane;
      const bar = moveBar(move, middle, Math.min(barHeight, lane - 2), axis);
      const text = isLabelled ? moveLabel(view, move, middle, axis) : "";
      return element("g", {}, `<title>${escapeText(moveTitle(move))}</title>`, bar, text);
    }),
  ];
  return { y, height, markup };
}

function targetHost(view: PlanView, host: string, y: number, axis: TimeAxis): Row {
  const arriving = view.moves.filter((move) => move.to === host);
  const height = 40;
  const bars = arriving.map((move) => {
    const { copyFrom, end } = phasesOf(move);
    const [x, to] = [axis.x(copyFrom), axis.x(end)];
    const shape = { class: "copy arriving", x, y: y + 14, width: Math.max(2, to - x), height: 12, rx: 2 };
    return element("rect", shape, `<title>${escapeText(moveTitle(move))}</title>`);
  });
  return {
    y,
    height,
    markup: [hostLabel(view, host, `${plural(arriving.length, "VM")} ${verb(arriving, "arrive")}`, y), ...bars],
  };
}

function hostLabel(view: PlanView, host: string, subject: string, y: number): string {
  const name = label(padding, y + 17, shortened(shortHost(view, host), 22), { class: "strong" });
  return element(
    "g",
    {},
    `<title>${escapeText(host)}</title>`,
    name,
    label(padding, y + 32, subject, { class: "muted small" }),
  );
}

/** Without the domain, where all have the same. */
function shortHost({ hosts, moves }: PlanView, host: string): string {
  const domainOf = (name: string) => (name.includes(".") ? name.slice(name.indexOf(".")) : "");
  const domains = new Set([...hosts, ...moves.map((move) => move.to)].map(domainOf));
  return domains.size === 1 ? host.slice(0, host.length - domainOf(host).length) : host;
}

function verb(moves: readonly MoveView[], plain: string): string {
  return moves.length === 1 ? `${plain}s` : plain;
}

/** When each phase begins; the parts fill the time from begin to end, which handling may have made longer. */
function phasesOf(move: MoveView) {
  const scale = move.totalSeconds > 0 ? (move.endSeconds - move.beginSeconds) / move.totalSeconds : 1;
  const resumeFrom = move.endSeconds - move.resumeSeconds * scale;
  const copyFrom = resumeFrom - move.copySeconds * scale;
  const suspendFrom = copyFrom - move.suspendSeconds * scale;
  return { begin: move.beginSeconds, suspendFrom, copyFrom, resumeFrom, end: move.endSeconds };
}

function moveBar(move: MoveView, middle: number, height: number, axis: TimeAxis): string {
  const { begin, suspendFrom, copyFrom, resumeFrom, end } = phasesOf(move);
  const y = middle - height / 2;
  const part = (name: string, from: number, to: number) => {
    const x = axis.x(from);
    // A phase of a few milliseconds is still seen.
    return element("rect", { class: name, x, y, width: Math.max(1.5, axis.x(to) - x), height });
  };
  const doubtX = axis.x(end);
  const doubtWidth = Math.max(0, axis.x(move.latestEndSeconds) - doubtX);
  return [
    element("rect", { class: "doubt", x: doubtX, y: y + 1, width: doubtWidth, height: height - 2, rx: 2 }),
    element("line", { class: "leader", x1: axis.x(begin), x2: axis.x(suspendFrom), y1: middle, y2: middle }),
    part("copy", copyFrom, resumeFrom),
    part("suspend", suspendFrom, copyFrom),
    part("resume", resumeFrom, end),
  ].join("");
}

/** Behind the bar; before it where there is no room behind. */
function moveLabel(view: PlanView, move: MoveView, middle: number, axis: TimeAxis): string {
  const isOneNamespace = new Set(view.moves.map(({ vm }) => vm.split("/")[0])).size === 1;
  const vm = isOneNamespace ? move.vm.slice(move.vm.indexOf("/") + 1) : move.vm;
  const name = shortened(vm, longestName);
  const target = `→ ${shortened(shortHost(view, move.to), 24)}`;
  const textWidth = (name.length + target.length + 1) * characterWidth;
  const behind = axis.x(move.latestEndSeconds) + 8;
  const before = axis.x(move.beginSeconds) - 8;
  // Names that the window's line would cross stand before their bar if they fit there.
  const windowX = axis.x((view.windowStart.getTime() - view.begin.getTime()) / 1000);
  const end = behind < windowX ? windowX : axis.right;
  const fitsBefore = before - axis.x(0) >= textWidth;
  const isBehind = behind + textWidth <= end || (!fitsBefore && axis.right - behind >= before - axis.x(0));
  const room = isBehind ? axis.right - behind : before - axis.x(0);
  const characters = Math.max(8, Math.floor(room / characterWidth) - target.length - 1);
  const text = `${escapeText(shortened(name, characters))} ${element("tspan", { class: "muted" }, escapeText(target))}`;
  const place = { x: isBehind ? behind : before, y: middle + 4, "text-anchor": isBehind ? undefined : "end" };
  return element("text", place, text);
}

function moveTitle(move: MoveView): string {
  const { suspendSeconds, copySeconds, resumeSeconds, totalSeconds } = move;
  const phases = [suspendSeconds, copySeconds, resumeSeconds].map(formatSeconds).join(" + ");
  return `${move.vm}: ${move.from} → ${move.to}, ${formatBytes(move.stateBytes)}; suspend + copy + resume ${phases}, in all ${formatSeconds(totalSeconds)}`;
}

function grid(axis: TimeAxis, bottom: number): string {
  const lines = axis.ticks.map(({ seconds, text }) => {
    const x = axis.x(seconds);
    const line = element("line", { class: "grid", x1: x, x2: x, y1: headerHeight - 4, y2: bottom + 4 });
    return line + label(x, bottom + 18, text, { class: "muted small", "text-anchor": "middle" });
  });
  return lines.join("") + label(padding, bottom + 18, "time to the window", { class: "muted small" });
}

function windowMark({ windowStart, windowEnd }: PlanView, x: number, right: number, bottom: number): string {
  const y = headerHeight - 6;
  const shape = { class: "window", x, y, width: Math.max(0, right - x), height: bottom - y + 4 };
  const length = formatSeconds((windowEnd.getTime() - windowStart.getTime()) / 1000);
  const text = `window ${clock(windowStart)}`;
  const place = x + 6 + text.length * boldCharacterWidth > width - 8 ? -1 : 1;
  const line = { class: "window-line", x1: x, x2: x, y1: headerHeight - 28, y2: bottom + 4, "stroke-width": 2 };
  return [
    element("rect", shape, `<title>${escapeText(`${time(windowStart)} for ${length}`)}</title>`),
    element("line", line),
    markLabel(x, text, "window-text", place),
  ].join("");
}

function startMark({ begin, startBy }: PlanView, x: number, windowX: number, bottom: number): string {
  const text = begin > startBy ? `begins now (start-by ${clock(startBy)} has passed)` : `start-by ${clock(startBy)}`;
  const line = { class: "start", x1: x, x2: x, y1: headerHeight - 28, y2: bottom + 4, "stroke-width": 1.5 };
  // Room for the window's own mark, which may have to stand before its line.
  const fits = windowX < x || windowX - x > (text.length + 1) * boldCharacterWidth;
  return element("line", line) + markLabel(x, text, "start-text", fits ? 1 : -1);
}

/** Behind its line (1) or before it (-1). */
function markLabel(x: number, text: string, name: string, side: 1 | -1): string {
  const anchor = side === 1 ? undefined : "end";
  return label(x + side * 6, headerHeight - 19, text, { class: `${name} strong`, "text-anchor": anchor });
}

function clock(date: Date): string {
  return `${date.toISOString().slice(11, 19)} UTC`;
}

function legend(y: number): string {
  const entries: [string, string][] = [
    ["suspend", "suspend"],
    ["copy", "copy"],
    ["resume", "resume"],
    ["doubt", "may take that much longer (at the wanted probability)"],
    ["copy arriving", "arriving"],
  ];
  let x = padding;
  return entries
    .map(([name, text]) => {
      const swatch = element("rect", { class: name, x, y: y - 10, width: 18, height: 11, rx: 2 });
      const written = label(x + 24, y, text, { class: "muted small" });
      x += 24 + text.length * smallCharacterWidth + 22;
      return swatch + written;
    })
    .join("");
}

function wrapped(text: string, characters: number): string[] {
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1) ?? "";
    if (line.length > 0 && line.length + word.length + 1 > characters) lines.push(word);
    else lines[lines.length - 1] = line.length === 0 ? word : `${line} ${word}`;
  }
  return lines;
}
