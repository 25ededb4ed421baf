import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/**
 * Every metric of the operator, declared once. Prefix `vacate_`, base units in the name, and no label that grows with
 * use: no VM, reservation, namespace or host names. Series whose labels are known exist from the start, at zero, so
 * that rates and alerts see the first event.
 */
export type Metrics = ReturnType<typeof createMetrics>;

export const migrationPhases = ["suspend", "copy", "resume", "total"] as const;
const migrationResults = ["Succeeded", "RolledBack", "Failed"] as const;
export const reconcileResults = ["success", "requeue", "conflict", "error", "terminal", "timeout"] as const;
const strategies = ["SuspendCopyResume"] as const;
const reservationResults = ["OnTime", "Late"] as const;

/** From 10 ms (suspend of a small guest to RAM) to over an hour (a large one on a slow disk). */
const phaseBuckets = [0.01, 0.03, 0.1, 0.3, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 120, 300, 600, 1800, 3600];
/** 1 is a perfect prediction; close to it the buckets are narrow. */
const ratioBuckets = [0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.2, 1.3, 1.5, 2, 4];
/** Negative is late. */
const leadBuckets = [-3600, -600, -120, -60, -30, -10, -5, 0, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 3600];
const workBuckets = [0.001, 0.005, 0.02, 0.1, 0.5, 1, 5, 15, 60, 300];

/**
 * Creates the metrics in a registry of their own: two operators in one process do not meet.
 * @param options.processMetrics also those of the process and of Node.js (`process_…`, `nodejs_…`).
 */
export function createMetrics(options: { processMetrics?: boolean } = {}) {
  const registry = new Registry();
  if (options.processMetrics) collectDefaultMetrics({ register: registry });
  return {
    registry,
    ...migrationMetrics(registry),
    ...reservationMetrics(registry),
    ...modelMetrics(registry),
    ...queueMetrics(registry),
    ...reconcileMetrics(registry),
    ...clientMetrics(registry),
  };
}

function migrationMetrics(registry: Registry) {
  const registers = [registry];
  const metrics = {
    migrationSeconds: new Histogram({
      name: "vacate_migration_seconds",
      help: "Measured seconds of a finished migration by phase; total is from its start to the guest running again.",
      labelNames: ["phase", "strategy"],
      buckets: phaseBuckets,
      registers,
    }),
    migrationPredictionRatio: new Histogram({
      name: "vacate_migration_predicted_to_measured_ratio",
      help: "Predicted divided by measured seconds of a finished migration by phase; above 1 it was faster than predicted.",
      labelNames: ["phase", "strategy"],
      buckets: ratioBuckets,
      registers,
    }),
    migrationDowntimeSeconds: new Histogram({
      name: "vacate_migration_downtime_seconds",
      help: "Seconds a guest did not run because of a migration.",
      labelNames: ["strategy"],
      buckets: phaseBuckets,
      registers,
    }),
    migrationsRunning: new Gauge({
      name: "vacate_migrations_running",
      help: "Migrations that have started and not ended.",
      registers,
    }),
    migrations: new Counter({
      name: "vacate_migrations_total",
      help: "Migrations that ended, by result.",
      labelNames: ["result"],
      registers,
    }),
    migratedBytes: new Counter({
      name: "vacate_migration_moved_bytes_total",
      help: "Bytes of guest state that migrations sent from host to host.",
      registers,
    }),
  };
  for (const strategy of strategies) {
    metrics.migrationDowntimeSeconds.zero({ strategy });
    for (const phase of migrationPhases) {
      metrics.migrationSeconds.zero({ phase, strategy });
      metrics.migrationPredictionRatio.zero({ phase, strategy });
    }
  }
  for (const result of migrationResults) metrics.migrations.inc({ result }, 0);
  return metrics;
}

function reservationMetrics(registry: Registry) {
  const registers = [registry];
  const metrics = {
    reservationLeadSeconds: new Histogram({
      name: "vacate_reservation_lead_seconds",
      help: "Seconds between the hosts being free and the start of the window; negative is late.",
      buckets: leadBuckets,
      registers,
    }),
    reservations: new Counter({
      name: "vacate_reservation_windows_total",
      help: "Windows that opened, by whether their hosts were free in time (OnTime, Late).",
      labelNames: ["result"],
      registers,
    }),
    hostsReady: new Gauge({ name: "vacate_hosts_ready", help: "VMHosts whose condition Ready is true.", registers }),
    hosts: new Gauge({ name: "vacate_hosts", help: "VMHosts that exist.", registers }),
  };
  for (const result of reservationResults) metrics.reservations.inc({ result }, 0);
  return metrics;
}

function modelMetrics(registry: Registry) {
  const labelNames = ["model", "phase"] as const;
  const registers = [registry];
  return {
    modelObservations: new Gauge({
      name: "vacate_model_observations",
      help: "Observations an overhead model is fitted to, by phase.",
      labelNames,
      registers,
    }),
    modelErrorRatio: new Gauge({
      name: "vacate_model_mape_ratio",
      help: "Mean absolute error of an overhead model's predictions as a share of the measured time, by phase.",
      labelNames,
      registers,
    }),
  };
}

function queueMetrics(registry: Registry) {
  const labelNames = ["controller"] as const;
  const registers = [registry];
  return {
    workqueueDepth: new Gauge({
      name: "vacate_workqueue_depth",
      help: "Keys that wait to be reconciled; those that wait for a time are not counted.",
      labelNames,
      registers,
    }),
    workqueueAdds: new Counter({
      name: "vacate_workqueue_adds_total",
      help: "Keys put into the queue, those already waiting not counted.",
      labelNames,
      registers,
    }),
    workqueueRetries: new Counter({
      name: "vacate_workqueue_retries_total",
      help: "Keys put back with a backoff after an error or a conflict.",
      labelNames,
      registers,
    }),
    workqueueWaitSeconds: new Histogram({
      name: "vacate_workqueue_wait_seconds",
      help: "Seconds a key waits in the queue before a worker takes it.",
      labelNames,
      buckets: workBuckets,
      registers,
    }),
    workqueueWorkSeconds: new Histogram({
      name: "vacate_workqueue_work_seconds",
      help: "Seconds a worker holds a key.",
      labelNames,
      buckets: workBuckets,
      registers,
    }),
    workqueueLongestRunningSeconds: new Gauge({
      name: "vacate_workqueue_longest_running_seconds",
      help: "Seconds for which the longest running worker has held its key; 0 when none runs.",
      labelNames,
      registers,
    }),
  };
}

function reconcileMetrics(registry: Registry) {
  const registers = [registry];
  return {
    reconciles: new Counter({
      name: "vacate_reconcile_total",
      help: "Reconciles that ended, by result (success, requeue, conflict, error, terminal, timeout).",
      labelNames: ["controller", "result"],
      registers,
    }),
    reconcileSeconds: new Histogram({
      name: "vacate_reconcile_seconds",
      help: "Seconds a reconcile took.",
      labelNames: ["controller"],
      buckets: workBuckets,
      registers,
    }),
    reconcilesActive: new Gauge({
      name: "vacate_reconcile_active",
      help: "Reconciles that run now.",
      labelNames: ["controller"],
      registers,
    }),
  };
}

function clientMetrics(registry: Registry) {
  const registers = [registry];
  return {
    clientRequests: new Counter({
      name: "vacate_client_requests_total",
      help: "Answers of the API server by method and status code; code 0 is a connection that failed.",
      labelNames: ["method", "code"],
      registers,
    }),
    clientThrottledSeconds: new Counter({
      name: "vacate_client_throttled_seconds_total",
      help: "Seconds requests waited for the client's own rate limit.",
      registers,
    }),
    reflectorLists: new Counter({
      name: "vacate_reflector_lists_total",
      help: "Full lists of a resource; more than one means that a watch could not be resumed.",
      labelNames: ["resource"],
      registers,
    }),
    reflectorErrors: new Counter({
      name: "vacate_reflector_errors_total",
      help: "Lists and watches of a resource that failed.",
      labelNames: ["resource"],
      registers,
    }),
  };
}
