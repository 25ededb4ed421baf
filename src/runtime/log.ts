import pino, { type DestinationStream, type Logger } from "pino";

/**
 * A structured logger. Messages are constant and lower-case, everything that varies goes into fields:
 * `log.info({ host: "host-a" }, "host answers")`. An error goes under `err`.
 */
export type Log = Pick<Logger, "debug" | "info" | "warn" | "error"> & {
  child(fields: Record<string, unknown>): Log;
};

/** `silent` writes nothing; for tests. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

const secretFields = [
  "token",
  "password",
  "passphrase",
  "secret",
  "privateKey",
  "identity",
  "authorization",
  "Authorization",
  "kubeconfig",
  "clientKeyData",
];

/** Creates a logger of JSON lines. Fields that look like secrets are removed up to three levels deep. */
export function createLog(options: { level?: LogLevel; destination?: DestinationStream } = {}): Log {
  const paths = ["", "*.", "*.*."].flatMap((prefix) => secretFields.map((field) => `${prefix}${field}`));
  return pino(
    {
      level: options.level ?? "info",
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths, censor: "[redacted]" },
    },
    options.destination ?? pino.destination({ dest: 2, sync: true }),
  );
}
