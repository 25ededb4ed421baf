import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { Journal, JournalError } from "../../../../src/agent/journal/journal.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

describe("the agent's journal", () => {
  let directory: ReturnType<typeof temporaryDirectory>;

  beforeEach(() => {
    directory = temporaryDirectory();
  });

  afterEach(() => directory.remove());

  it("should remember who it is, and everything that was written", () => {
    const first = new Journal(directory.path);
    first.term = 7;
    first.raiseTombstone("vm", 4);
    first.raiseTombstone("vm", 2);
    first.holds = [{ reservationUid: "r", until: "2030-01-01T00:00:00Z", allowedUids: [] }];
    first.close();
    const second = new Journal(directory.path);
    expect(second.agentUuid).to.equal(first.agentUuid);
    expect(second.term).to.equal(7);
    expect(second.tombstone("vm")).to.equal(4);
    expect(second.tombstone("another")).to.equal(undefined);
    expect(second.holds).to.have.length(1);
    second.close();
  });

  it("should undo all of a change that fails in the middle", () => {
    const journal = new Journal(directory.path);
    const change = () =>
      journal.transaction(() => {
        journal.raiseTombstone("vm", 1);
        journal.transaction(() => journal.raiseTombstone("vm-2", 1));
        throw new Error("no");
      });
    expect(change).to.throw("no");
    expect([journal.tombstone("vm"), journal.tombstone("vm-2")]).to.deep.equal([undefined, undefined]);
    journal.close();
  });

  it("should be open once only", () => {
    const journal = new Journal(directory.path);
    expect(() => new Journal(directory.path)).to.throw(JournalError, "another agent");
    journal.close();
    new Journal(directory.path).close();
  });

  it("should name the folder when there is none to be had, or what is there is no journal", () => {
    const file = join(directory.path, "file");
    writeFileSync(file, "x");
    expect(() => new Journal(file)).to.throw(JournalError, file);
    const other = temporaryDirectory();
    writeFileSync(join(other.path, "journal.sqlite"), "not a database, but long enough to look at. ".repeat(50));
    expect(() => new Journal(other.path)).to.throw(JournalError, other.path);
    other.remove();
  });
});
