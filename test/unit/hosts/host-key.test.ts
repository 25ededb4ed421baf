import { expect } from "chai";
import ssh2 from "ssh2";
import { sshKeyPair } from "../../../hack/testbed/ssh-key-pair.ts";
import { fingerprintOf, HostKey } from "../../../src/hosts/host-key.ts";

// Made by `ssh-keygen -t ed25519`, and its fingerprint shown by `ssh-keygen -l`.
const line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKxotbokRL+kXzEVCpDT4io2IEkpKq+AB60NwBK6fL09";

function raw(publicKey: string): Buffer {
  const parsed = ssh2.utils.parseKey(publicKey);
  if (parsed instanceof Error) throw parsed;
  return parsed.getPublicSSH();
}

describe("HostKey", () => {
  it("should match its own key only", () => {
    const one = sshKeyPair().publicKey;
    const other = sshKeyPair().publicKey;
    const key = new HostKey(`${one} root@host-a\n`);
    expect(key.matches(raw(one))).to.equal(true);
    expect(key.matches(raw(other))).to.equal(false);
    expect(key.matches(raw(one).subarray(0, -1))).to.equal(false);
    expect(key.matches(Buffer.alloc(0))).to.equal(false);
  });

  it("should show fingerprints as ssh-keygen does", () => {
    const key = new HostKey(line);
    expect(key.fingerprint).to.equal("SHA256:tHuaE0tvQLO4FNRoMUu6oiKy3+aXIrgL2rFcKyVGHqk");
    expect(fingerprintOf(raw(line))).to.equal(key.fingerprint);
  });

  it("should ask for the pinned type first", () => {
    expect(new HostKey(line).algorithms[0]).to.equal("ssh-ed25519");
    expect(new HostKey(sshKeyPair().publicKey).algorithms[0]).to.equal("ecdsa-sha2-nistp256");
  });

  for (const [what, text] of [
    ["nothing", ""],
    ["a word", "secret"],
    ["broken base64", "ssh-ed25519 !!!!"],
    ["a private key", sshKeyPair().privateKey],
  ] as const) {
    it(`should refuse ${what} as InvalidHostKey without repeating it`, () => {
      expect(() => new HostKey(text))
        .to.throw("hostKey is not an SSH public key")
        .with.property("reason", "InvalidHostKey");
    });
  }
});
