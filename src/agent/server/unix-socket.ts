import { chmodSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { createConnection, type Server } from "node:net";
import { dirname } from "node:path";

const longestPathBytes = 107;

/** The socket cannot be listened on. The message names the path and what is in the way. */
export class SocketError extends Error {
  override readonly name = "SocketError";
}

/**
 * Listens on a Unix socket that only this user can open (0600, in a folder 0700 when it is made here). A socket left
 * behind by a dead process is replaced.
 *
 * @throws {SocketError} when somebody answers on it, or the path is no socket or too long
 */
export async function listenOnUnixSocket(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > longestPathBytes) {
    throw new SocketError(`socket ${path}: the path has more than ${longestPathBytes} bytes, the kernel's limit`);
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  await removeStale(path);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(new SocketError(`socket ${path}: ${error.message}`, { cause: error })));
    server.listen(path, resolve);
    chmodIfBound(path);
  });
}

/** `listen` binds before it returns: nobody can connect in between. */
function chmodIfBound(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) chmodSync(path, 0o600);
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new SocketError(`socket ${path}: there is a file that is no socket`);
  if (await answers(path)) throw new SocketError(`socket ${path}: another process answers on it`);
  rmSync(path, { force: true });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
