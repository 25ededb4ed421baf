import { AgentError } from "../agent/protocol/client.ts";
import type * as protocol from "../agent/protocol/types.ts";
import type { SimulatedAgent } from "./simulated-agent.ts";

export function refuse(reason: protocol.AgentReason, message: string): never {
  throw new AgentError(reason, message, 409);
}

type Report = protocol.MigrationReport;

function newReport(id: string, uid: string, role: protocol.MigrationRole, epoch: number, bytesTotal: number): Report {
  return { id, uid, role, epoch, step: "Prepared", settled: false, bytesDone: 0, bytesTotal, measured: {} };
}

/** Orders to a migration's source. */
export const sourceOrders = {
  prepare(agent: SimulatedAgent, order: protocol.PrepareSourceOrder): protocol.PrepareSourceAnswer {
    const { migrationId: id, uid, epoch } = order;
    const guest = agent.held.get(uid) ?? refuse("NotFound", `${agent.hostName} does not hold ${uid}`);
    if (guest.epoch !== epoch) refuse("StaleEpoch", `${uid} is held under epoch ${guest.epoch}, not ${epoch}`);
    const stateBytes = guest.stateBytes ?? guest.memoryBytes / 4;
    if (!agent.reports.has(id)) {
      const other = [...agent.reports.values()].find((report) => report.uid === uid && !report.settled);
      if (other) refuse("Busy", `${uid} takes part in migration ${other.id}`);
      if (guest.state !== "Running") refuse("WrongState", `${uid} is ${guest.state}`);
      agent.reports.set(id, newReport(id, uid, "Source", epoch, stateBytes));
      agent.setGuest(uid, { migrationId: id });
    }
    const configuration: protocol.GuestConfiguration = {
      uid,
      namespace: guest.namespace,
      name: guest.name,
      cpus: guest.cpus,
      memoryBytes: guest.memoryBytes,
      image: guest.image,
      imageSha256: `sha-of-${guest.image}`,
      driver: agent.driver,
      accelerator: "simulated",
      machineType: "fake-1.0",
      cpuModel: agent.cpuModel,
      devices: [],
      macAddress: "52:54:00:00:00:01",
    };
    return { configuration, stateBytes, fingerprint: `fingerprint-of-${agent.hostName}` };
  },

  begin(agent: SimulatedAgent, order: protocol.BeginMigrationOrder): Report {
    const report = agent.reports.get(order.migrationId) ?? refuse("NotFound", `no migration ${order.migrationId}`);
    if (report.step !== "Prepared") return report;
    agent.hosts.beginTransfer(agent, report, order.target.token);
    return report;
  },

  abort(agent: SimulatedAgent, report: Report): Report {
    if (["HandedOver", "Running", "Released"].includes(report.step)) {
      refuse("PastPointOfNoReturn", `migration ${report.id} is at ${report.step}`);
    }
    agent.hosts.breakTransfer(report.id, { lease: "never" });
    return sourceOrders.rollBack(agent, report, "Aborted");
  },

  rollBack(agent: SimulatedAgent, report: Report, reason: protocol.AgentReason): Report {
    if (report.step === "RolledBack") return report;
    const { migrationId: _id, ...rest } = agent.held.get(report.uid) ?? refuse("NotFound", `no guest ${report.uid}`);
    agent.held.set(report.uid, rest.state === "Suspended" ? { ...rest, state: "Running" } : rest);
    agent.changed(report.uid);
    return agent.setReport(report.id, { step: "RolledBack", settled: true, reason, message: `rolled back: ${reason}` });
  },

  release(agent: SimulatedAgent, report: Report): Report {
    const isLost = report.step === "Copying" && report.reason === "StateLost";
    if (!isLost && !["HandedOver", "Running", "Released"].includes(report.step)) {
      refuse("WrongState", `migration ${report.id} is ${report.step}`);
    }
    agent.removeGuest(report.uid);
    agent.tombstones.set(report.uid, report.epoch);
    return agent.setReport(report.id, { step: "Released", settled: true });
  },

  reclaim(agent: SimulatedAgent, report: Report, epoch: number): Report {
    if (epoch !== report.epoch + 2) refuse("StaleEpoch", `a reclaim takes epoch ${report.epoch + 2}`);
    if (report.step === "RolledBack") return report;
    const guest = agent.held.get(report.uid) ?? refuse("NotFound", `no guest ${report.uid}`);
    if (report.step !== "HandedOver") refuse("WrongState", `migration ${report.id} is ${report.step}`);
    const { migrationId: _id, ...rest } = guest;
    agent.held.set(report.uid, { ...rest, state: guest.state === "HandedOver" ? "Running" : "Lost", epoch });
    agent.changed(report.uid);
    return agent.setReport(report.id, { step: "RolledBack", settled: true, reason: "Aborted" });
  },
};

/** Orders to a migration's target. */
export const targetOrders = {
  prepare(agent: SimulatedAgent, order: protocol.PrepareTargetOrder): protocol.PrepareTargetAnswer {
    const { migrationId: id, configuration, epoch } = order;
    if (!agent.reports.has(id)) {
      const held = agent.held.get(configuration.uid);
      if (held) refuse("WrongState", `${held.uid} is here already as ${held.state}`);
      agent.admit({ ...configuration, epoch: epoch + 1 });
      if (configuration.cpuModel !== agent.cpuModel) {
        refuse("Incompatible", `cpuModel is ${agent.cpuModel} here, and ${configuration.cpuModel} on the source`);
      }
      agent.reports.set(id, newReport(id, configuration.uid, "Target", epoch, order.stateBytes));
      const { uid, namespace, name, cpus, memoryBytes, image } = configuration;
      agent.addGuest({ uid, namespace, name, cpus, memoryBytes, image, epoch, state: "Incoming", migrationId: id });
    }
    return { fingerprint: `fingerprint-of-${agent.hostName}`, token: `${agent.hostName}/${id}`, dataPort: 7000 };
  },

  abort(agent: SimulatedAgent, report: Report): Report {
    if (report.step === "Loaded" || report.step === "Running") {
      refuse("PastPointOfNoReturn", `migration ${report.id} is ${report.step}: this target voted`);
    }
    agent.hosts.breakTransfer(report.id);
    return targetOrders.discard(agent, agent.reports.get(report.id) ?? report, "RolledBack");
  },

  discard(agent: SimulatedAgent, report: Report, step: "RolledBack" | "Surrendered"): Report {
    if (report.step === "Running") refuse("WrongState", `migration ${report.id} ran here`);
    if (report.step === "RolledBack" || report.step === "Surrendered") return report;
    const guest = agent.held.get(report.uid);
    if (guest?.migrationId === report.id) agent.held.delete(report.uid);
    if (step === "Surrendered") agent.tombstones.set(report.uid, report.epoch + 1);
    agent.changed(report.uid);
    return agent.setReport(report.id, { step, settled: true, reason: "Aborted" });
  },

  resume(agent: SimulatedAgent, report: Report): Report {
    if (report.step === "Running") return report;
    if (report.step !== "Loaded") refuse("WrongState", `migration ${report.id} is at ${report.step}`);
    if (agent.held.get(report.uid)?.state !== "Incoming") refuse("ResumeFailed", `the state of ${report.uid} is gone`);
    const { migrationId: _id, ...guest } = agent.setGuest(report.uid, { state: "Running", epoch: report.epoch + 1 });
    agent.held.set(report.uid, guest);
    const { resumeMilliseconds } = agent.hosts.durationsOf(report);
    return agent.setReport(report.id, { step: "Running", settled: true, measured: { resumeMilliseconds } });
  },
};
