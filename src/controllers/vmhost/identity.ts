import type { Secret, VMHost } from "../../api/resources.ts";
import type { HostSettings } from "../../hosts/host-agents.ts";

const keyName = "ssh-privatekey";

/** How to reach the host, or what is missing in the Secret. The message never holds anything of the Secret's content. */
export function settingsOf(
  host: VMHost,
  secret: Secret | undefined,
  operatorNamespace: string,
): { settings: HostSettings } | { missing: string } {
  const { spec } = host;
  const name = `${operatorNamespace}/${spec.identitySecretName}`;
  if (!secret) return { missing: `there is no Secret ${name}; create it with the private key under ${keyName}` };
  const encoded = secret.data?.[keyName];
  if (!encoded) return { missing: `the Secret ${name} has no key ${keyName}; put the private key there` };
  return {
    settings: {
      address: spec.address,
      port: spec.sshPort ?? 22,
      user: spec.user ?? "root",
      hostKey: spec.hostKey,
      privateKey: Buffer.from(encoded, "base64").toString("utf8"),
      agentSocket: spec.agentSocket ?? "/run/vacate/agent.sock",
    },
  };
}
