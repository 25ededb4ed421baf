import { accessSync, closeSync, constants, mkdirSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** The data directory cannot be used; the message says which one and what would be right. */
class DataDirectoryError extends Error {
  readonly reason: "InUse" | "NotADirectory" | "NotWritable" | "Corrupt" | "NewerSchema";

  constructor(reason: DataDirectoryError["reason"], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "DataDirectoryError";
    this.reason = reason;
  }
}

const schemaVersion = 1;
const sqliteBusy = 5;
const sqliteNotADatabase = 26;
const sqliteCorrupt = 11;

/**
 * Revisions are kept as etcd keeps them: one row for each write, the newest row of a key is the object, older rows serve
 * watches and consistent paging until they are compacted.
 */
const createTables = `
  CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS revisions (
    revision INTEGER PRIMARY KEY,
    resource TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    object TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS revisions_by_key ON revisions (resource, namespace, name, revision, deleted);
  INSERT OR IGNORE INTO meta VALUES ('schema', ${schemaVersion}), ('compacted', 0), ('revision', 0);
`;

/**
 * Opens the database of a data directory, creating both when needed, and holds it alone until it is closed.
 *
 * SQLite's exclusive locking mode is the lock between processes: the kernel drops it with the process, also on kill -9.
 *
 * @throws DataDirectoryError
 */
export function openDatabase(dataDirectory: string): DatabaseSync {
  prepareDirectory(dataDirectory);
  let database: DatabaseSync | undefined;
  try {
    const path = join(dataDirectory, "objects.db");
    createPrivately(path);
    database = new DatabaseSync(path, { timeout: 0 });
    // Before anything touches the file: in this order WAL needs no shared memory file and the lock is kept.
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    database.exec(`BEGIN IMMEDIATE; ${createTables} COMMIT`);
  } catch (error) {
    database?.close();
    throw explain(error, dataDirectory);
  }
  const version = database.prepare("SELECT value FROM meta WHERE key = 'schema'").get()?.value;
  if (version !== schemaVersion) {
    database.close();
    throw new DataDirectoryError(
      "NewerSchema",
      `data directory ${dataDirectory} has format ${version}; this program reads format ${schemaVersion}`,
    );
  }
  return database;
}

function prepareDirectory(dataDirectory: string): void {
  try {
    mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
    accessSync(dataDirectory, constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EEXIST" || code === "ENOTDIR") throw notADirectory(dataDirectory);
    throw new DataDirectoryError("NotWritable", `data directory ${dataDirectory} is not writable (${code})`, error);
  }
  if (!statSync(dataDirectory).isDirectory()) throw notADirectory(dataDirectory);
}

/** SQLite would make the file readable for others; it gives its write-ahead log the same mode. */
function createPrivately(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    // An existing file is never opened here: closing any descriptor of it would drop this process's locks on it.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

function notADirectory(path: string): DataDirectoryError {
  return new DataDirectoryError("NotADirectory", `data directory ${path} is not a directory`);
}

function explain(error: unknown, dataDirectory: string): unknown {
  const code = Number((error as { errcode?: number }).errcode) & 0xff;
  if (code === sqliteBusy) {
    return new DataDirectoryError("InUse", `data directory ${dataDirectory} is in use by another instance`, error);
  }
  if (code === sqliteNotADatabase || code === sqliteCorrupt) {
    return new DataDirectoryError("Corrupt", `data directory ${dataDirectory}: objects.db is damaged`, error);
  }
  const message = (error as Error).message;
  return new DataDirectoryError("NotWritable", `data directory ${dataDirectory} is not writable: ${message}`, error);
}
