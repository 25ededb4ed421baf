import type { VMHostSpec } from "../../api/types.gen.ts";

const hostKeyForm = /^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa) [A-Za-z0-9+/]+=*( .*)?$/;
const userForm = /^[a-z_][a-z0-9_-]*$/;

/** What is wrong with the spec, naming the field and what is allowed; undefined when it is right. A server without validation lets anything through. */
export function invalidSpec(spec: VMHostSpec): string | undefined {
  const { address, hostKey, identitySecretName, agentSocket, linkMegabitsPerSecond } = spec;
  const { sshPort = 22, user = "root" } = spec;
  if (!address || address.length > 253)
    return `spec.address is ${quote(address)}; allowed is an IP address or DNS name`;
  if (!isIntegerIn(sshPort, 1, 65_535)) return `spec.sshPort is ${sshPort}; allowed are 1 to 65535`;
  if (!userForm.test(user)) return `spec.user is ${quote(user)}; allowed is a user name such as root or vacate`;
  if (!hostKeyForm.test(hostKey ?? "")) {
    return "spec.hostKey is no public SSH key; allowed is a line such as that in /etc/ssh/ssh_host_ed25519_key.pub";
  }
  if (!identitySecretName) return "spec.identitySecretName is missing; it names a Secret with the key ssh-privatekey";
  if (agentSocket !== undefined && (!agentSocket.startsWith("/") || agentSocket.length > 100)) {
    return `spec.agentSocket is ${quote(agentSocket)}; allowed is an absolute path of at most 100 characters`;
  }
  if (linkMegabitsPerSecond !== undefined && !isIntegerIn(linkMegabitsPerSecond, 1, 1_000_000)) {
    return `spec.linkMegabitsPerSecond is ${linkMegabitsPerSecond}; allowed are 1 to 1000000`;
  }
  return undefined;
}

function isIntegerIn(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function quote(text: string | undefined): string {
  return JSON.stringify(text ?? "");
}
