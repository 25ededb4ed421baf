import type { ValidateFunction } from "ajv";
import type { Guests } from "../guests/guests.ts";
import type { Host } from "../host.ts";
import type { Migrations } from "../migration/migrations.ts";
import { refusal } from "../refusal.ts";
import { firstProblem, orderSchemas } from "./schemas.ts";

export interface Request {
  /** The part of the path that names a guest or migration. */
  key: string;
  query: URLSearchParams;
  /** Parsed JSON; undefined when there was none. */
  body: unknown;
}

interface Route {
  method: string;
  path: RegExp;
  /** An object is answered as JSON, a string as text, undefined as 204. */
  answer(request: Request): Promise<unknown>;
}

const longestConsoleBytes = 1024 * 1024;

/** Every request the agent answers, but for the event stream. */
export function routes(host: Host, guests: Guests, migrations: Migrations): Route[] {
  const guest = (verb: string) => new RegExp(`^/v1/guests/([^/]+)/${verb}$`);
  const migration = (verb: string) => new RegExp(`^/v1/migrations/([^/]+)/${verb}$`);
  const get = (path: RegExp, answer: Route["answer"]) => ({ method: "GET", path, answer });
  const order = <T>(
    path: RegExp,
    validate: ValidateFunction<T>,
    key: keyof T,
    act: (order: T) => Promise<unknown>,
  ) => ({
    method: "POST",
    path,
    answer: (request: Request) => act(checked(request, validate, key)),
  });
  return [
    get(/^\/v1\/host$/, () => host.report()),
    get(/^\/v1\/guests$/, () => guests.list()),
    get(/^\/v1\/guests\/([^/]+)$/, async ({ key }) => found(await guests.find(key), `guest ${key}`)),
    get(guest("console"), ({ key, query }) => guests.console(key, consoleBytes(query))),
    order(guest("start"), orderSchemas.start, "uid", (it) => guests.start(it)),
    order(guest("stop"), orderSchemas.stop, "uid", (it) => guests.stop(it)),
    order(guest("adopt"), orderSchemas.adopt, "uid", (it) => guests.adopt(it)),
    order(guest("discard"), orderSchemas.discard, "uid", (it) => guests.discard(it)),
    {
      method: "PUT",
      path: /^\/v1\/holds$/,
      answer: async (request) => host.setHolds(checked(request, orderSchemas.holds)),
    },
    get(/^\/v1\/migrations$/, async () => migrations.list()),
    get(/^\/v1\/migrations\/([^/]+)$/, async ({ key }) => found(migrations.find(key), `migration ${key}`)),
    order(migration("prepare-source"), orderSchemas.prepareSource, "migrationId", (it) => migrations.prepareSource(it)),
    order(migration("prepare-target"), orderSchemas.prepareTarget, "migrationId", (it) => migrations.prepareTarget(it)),
    order(migration("begin"), orderSchemas.begin, "migrationId", (it) => migrations.begin(it)),
    order(migration("abort"), orderSchemas.migration, "migrationId", (it) => migrations.abort(it)),
    order(migration("discard-target"), orderSchemas.migration, "migrationId", (it) => migrations.discardTarget(it)),
    order(migration("resume-target"), orderSchemas.migration, "migrationId", (it) => migrations.resumeTarget(it)),
    order(migration("release-source"), orderSchemas.migration, "migrationId", (it) => migrations.releaseSource(it)),
    order(migration("surrender-target"), orderSchemas.migration, "migrationId", (it) => migrations.surrenderTarget(it)),
    order(migration("reclaim-source"), orderSchemas.reclaim, "migrationId", (it) => migrations.reclaimSource(it)),
    order(migration("forget"), orderSchemas.migration, "migrationId", (it) => migrations.forget(it)),
  ];
}

function checked<T>({ body, key }: Request, validate: ValidateFunction<T>, named?: keyof T): T {
  if (!validate(body)) throw refusal("InvalidRequest", firstProblem(validate));
  if (named !== undefined && body[named] !== key) {
    throw refusal("InvalidRequest", `${String(named)}: is ${body[named]}, the path says ${key}`);
  }
  return body;
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw refusal("NotFound", `no ${what} is known to this host`);
  return value;
}

function consoleBytes(query: URLSearchParams): number {
  const text = query.get("bytes") ?? "4096";
  const bytes = Number(text);
  if (Number.isInteger(bytes) && bytes >= 1 && bytes <= longestConsoleBytes) return bytes;
  throw refusal("InvalidRequest", `bytes: ${text} is not between 1 and ${longestConsoleBytes}`);
}
