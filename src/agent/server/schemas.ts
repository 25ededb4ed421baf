import { Ajv, type JSONSchemaType, type ValidateFunction } from "ajv";
import addFormats from "ajv-formats";
import type {
  AdoptOrder,
  BeginMigrationOrder,
  GuestConfiguration,
  HoldsOrder,
  MigrationOrder,
  Order,
  PrepareSourceOrder,
  PrepareTargetOrder,
  ReclaimOrder,
  StartOrder,
  StopOrder,
} from "../protocol/types.ts";

const ajv = new Ajv({ allErrors: false, strict: true });
addFormats.default(ajv);

/** Names become folder names and log fields: no separators, no leading dot. */
const id = { type: "string", pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$" } as const;
const name = { type: "string", minLength: 1, maxLength: 253 } as const;
const count = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER } as const;
const epoch = { ...count, maximum: 2 ** 48 } as const;
const cpus = { type: "integer", minimum: 1, maximum: 4096 } as const;
const memoryBytes = { type: "integer", minimum: 2 ** 20, maximum: 2 ** 47 } as const;
const sha256 = { type: "string", pattern: "^[0-9a-f]{64}$" } as const;
const image = { type: "string", pattern: "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", maxLength: 63 } as const;

const configuration: JSONSchemaType<GuestConfiguration> = closed({
  uid: id,
  namespace: name,
  name,
  cpus,
  memoryBytes,
  image,
  imageSha256: { type: "string", maxLength: 128 },
  driver: { type: "string", enum: ["QEMU", "Simulated"] },
  accelerator: name,
  machineType: name,
  cpuModel: name,
  devices: { type: "array", items: { type: "string", maxLength: 512 }, maxItems: 64 },
  macAddress: { type: "string", pattern: "^([0-9a-f]{2}:){5}[0-9a-f]{2}$" },
});

const hold = closed({
  reservationUid: id,
  until: { type: "string", format: "date-time" },
  allowedUids: { type: "array", items: id, maxItems: 4096 },
});

const target = closed({
  address: name,
  dataPort: { type: "integer", minimum: 1, maximum: 65_535 },
  fingerprint: sha256,
  token: sha256,
});

const term = count;
const migrationId = id;

/** What each order has to look like. Fields that are not named are refused. */
export const orderSchemas = {
  start: compile<StartOrder>({ term, uid: id, namespace: name, name, epoch, cpus, memoryBytes, image }),
  stop: compile<StopOrder>({ term, uid: id, graceSeconds: { type: "integer", minimum: 0, maximum: 3600 } }),
  adopt: compile<AdoptOrder>({ term, uid: id, newUid: id }),
  discard: compile<Order & { uid: string }>({ term, uid: id }),
  holds: compile<HoldsOrder>({ term, holds: { type: "array", items: hold, maxItems: 256 } }),
  prepareSource: compile<PrepareSourceOrder>({ term, migrationId, uid: id, epoch }),
  prepareTarget: compile<PrepareTargetOrder>({
    ...{ term, migrationId, epoch, configuration },
    stateBytes: count,
    sourceFingerprint: sha256,
  }),
  begin: compile<BeginMigrationOrder>({
    ...{ term, migrationId, uid: id, epoch, target },
    leaseSeconds: { type: "integer", minimum: 1, maximum: 86_400 },
  }),
  migration: compile<MigrationOrder>({ term, migrationId }),
  reclaim: compile<ReclaimOrder>({ term, migrationId, epoch }),
};

/** Says what is wrong with the first field that is. */
export function firstProblem(validate: ValidateFunction): string {
  const error = validate.errors?.[0];
  if (error === undefined) return "is not valid";
  const extra = error.keyword === "additionalProperties" ? ` (${error.params.additionalProperty})` : "";
  const field = error.instancePath.slice(1).replaceAll("/", ".") || "the body";
  return `${field}: ${error.message}${extra}`;
}

// biome-ignore lint/suspicious/noExplicitAny: JSONSchemaType cannot be inferred from a record of properties
function closed(properties: Record<string, unknown>): any {
  return { type: "object", properties, required: Object.keys(properties), additionalProperties: false };
}

function compile<T>(properties: Record<string, unknown>): ValidateFunction<T> {
  return ajv.compile<T>(closed(properties));
}
