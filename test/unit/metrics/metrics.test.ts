import { expect } from "chai";
import { createMetrics } from "../../../src/metrics/metrics.ts";

const baseUnits = /_(seconds|bytes|ratio|total|running|depth|active|observations|ready|hosts)$/;

describe("createMetrics", () => {
  it("should name every metric with prefix and base unit, and explain it", async () => {
    const declared = await createMetrics().registry.getMetricsAsJSON();
    expect(declared).to.have.length.greaterThan(20);
    for (const { name, help, type } of declared) {
      expect(name).to.match(/^vacate_[a-z_]+$/);
      expect(name).to.match(baseUnits);
      expect(help, name).to.match(/^[A-Z].{15,}\.$/);
      expect(name.endsWith("_total"), name).to.equal(String(type) === "counter");
    }
  });

  it("should have no label that names a VM, a reservation, a namespace or a host", async () => {
    const allowed = new Set(["phase", "strategy", "result", "model", "controller", "method", "code", "resource"]);
    const { registry } = createMetrics();
    for (const metric of registry.getMetricsAsArray()) {
      const { labelNames } = metric as unknown as { labelNames: string[] };
      expect(
        labelNames.filter((label) => !allowed.has(label)),
        metric.name,
      ).to.deep.equal([]);
    }
  });

  it("should show known series as zero before the first event", async () => {
    const text = await createMetrics().registry.metrics();
    expect(text).to.include('vacate_migration_seconds_count{phase="suspend",strategy="SuspendCopyResume"} 0');
    expect(text).to.include('vacate_migrations_total{result="RolledBack"} 0');
    expect(text).to.include('vacate_reservation_windows_total{result="Late"} 0');
    expect(text).to.include("vacate_reservation_lead_seconds_count 0");
    expect(text).to.include("vacate_hosts_ready 0");
  });

  it("should keep two sets apart", async () => {
    const [one, two] = [createMetrics(), createMetrics()];
    one.migratedBytes.inc(5);
    expect((await two.migratedBytes.get()).values[0]?.value).to.equal(0);
    expect((await one.migratedBytes.get()).values[0]?.value).to.equal(5);
  });

  it("should count a late reservation below zero", async () => {
    const { reservationLeadSeconds, registry } = createMetrics();
    reservationLeadSeconds.observe(-20);
    const text = await registry.metrics();
    expect(text).to.include('vacate_reservation_lead_seconds_bucket{le="-30"} 0');
    expect(text).to.include('vacate_reservation_lead_seconds_bucket{le="-10"} 1');
  });
});
