import { type Logger, pino } from "pino";

const secretFields = ["token", "privateKey", "privateKeyPem", "certificate"];

/** Creates a logger of JSON lines on standard error. Fields that look like secrets are removed up to two levels deep. */
export function createAgentLog(level: string): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ["", "*."].flatMap((prefix) => secretFields.map((field) => `${prefix}${field}`)), remove: true },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
