// `npm run demo`: sets up what the demo needs, then runs it on the Node that npm pinned. Plain JavaScript, because it runs
// before node_modules exist.

import { spawn, spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const hackFolder = dirname(fileURLToPath(import.meta.url));
const demoArguments = process.argv.slice(2);

// Simulated guests need no QEMU, so neither does their set-up.
const isSimulated = /--driver[= ]Simulated\b/.test(demoArguments.join(" "));
const need = isSimulated ? "demo-simulated" : "demo";
const setUp = spawnSync(process.execPath, [join(hackFolder, "setup.mjs"), "--need", need], { stdio: "inherit" });
if (setUp.status !== 0) process.exit(setUp.status ?? 1);

const node = join(hackFolder, "..", "node_modules", ".bin", "node");
const demo = spawn(node, [join(hackFolder, "demo", "main.ts"), ...demoArguments], { stdio: "inherit" });
// Ctrl-C reaches the demo by itself, as the terminal's foreground group; this process must only outlive it. Signals sent
// to this process alone are passed on.
process.on("SIGINT", () => {});
for (const name of ["SIGTERM", "SIGHUP"]) process.on(name, () => demo.kill(name));
demo.on("exit", (code) => process.exit(code ?? 1));
