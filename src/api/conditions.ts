/**
 * Every condition type and reason that Vacate writes, declared once.
 * Reasons are stable: dashboards, scripts and `kubectl wait` rely on them.
 */

export const vmHostConditions = { Ready: "Ready" } as const;

/** Why a VMHost is (not) `Ready`. */
export const vmHostReasons = {
  AgentAnswers: "AgentAnswers",
  Connecting: "Connecting",
  InvalidSpec: "InvalidSpec",
  IdentitySecretMissing: "IdentitySecretMissing",
  AddressUnreachable: "AddressUnreachable",
  ConnectionRefused: "ConnectionRefused",
  HostKeyMismatch: "HostKeyMismatch",
  IdentityRejected: "IdentityRejected",
  AgentNotListening: "AgentNotListening",
  Timeout: "Timeout",
  ConnectionLost: "ConnectionLost",
  AgentError: "AgentError",
  DriverMismatch: "DriverMismatch",
  StateLandingMismatch: "StateLandingMismatch",
  IdentityChanged: "IdentityChanged",
  DuplicateAgent: "DuplicateAgent",
  OutOfService: "OutOfService",
} as const;

export const virtualMachineConditions = {
  /** It has a host, and that host is the one it should be on. */
  Placed: "Placed",
  /** Its guest runs. */
  Running: "Running",
  /** A migration is under way. */
  Migrating: "Migrating",
} as const;

export const virtualMachineReasons = {
  OnWantedHost: "OnWantedHost",
  InvalidSpec: "InvalidSpec",
  NoSuchHost: "NoSuchHost",
  NoHostFits: "NoHostFits",
  HostNotReady: "HostNotReady",
  HostUnschedulable: "HostUnschedulable",
  HostFull: "HostFull",
  HostHeld: "HostHeld",
  HostMismatch: "HostMismatch",
  ImageMissing: "ImageMissing",
  Incompatible: "Incompatible",
  MigrationForbidden: "MigrationForbidden",
  /** Some host does not answer, so it is not known whether it already holds this VM. */
  UnansweredHosts: "UnansweredHosts",
  Moving: "Moving",
  NotMoving: "NotMoving",
  MigrationFailed: "MigrationFailed",
  Running: "Running",
  Starting: "Starting",
  Stopped: "Stopped",
  Crashed: "Crashed",
  StartFailed: "StartFailed",
  HostSilent: "HostSilent",
  Terminating: "Terminating",
} as const;

export const reservationConditions = {
  /** All hosts are held for the window. */
  Admitted: "Admitted",
  /** There is a plan. */
  Planned: "Planned",
  /** The plan was approved by hand. Only where that is asked for. */
  Approved: "Approved",
  /** Nothing new starts, since the spec says so. Only while it does. */
  Suspended: "Suspended",
  /** No displaced VM is left on the hosts, by their agents' word. */
  Vacated: "Vacated",
  /** The window is open and the hosts are the user's. */
  Active: "Active",
  /** The probability of being on time is below what was asked. */
  AtRisk: "AtRisk",
  /** The window is over, the hosts are released and the VMs are back where asked. */
  Completed: "Completed",
} as const;

export const reservationReasons = {
  HostsHeld: "HostsHeld",
  InvalidSpec: "InvalidSpec",
  WindowInPast: "WindowInPast",
  Conflict: "Conflict",
  InsufficientHosts: "InsufficientHosts",
  InsufficientCapacity: "InsufficientCapacity",
  NotAdmitted: "NotAdmitted",
  PlanReady: "PlanReady",
  NoFeasiblePlan: "NoFeasiblePlan",
  PlanApproved: "PlanApproved",
  ApprovalRequired: "ApprovalRequired",
  PlanStale: "PlanStale",
  Suspended: "Suspended",
  HostLost: "HostLost",
  HostReplaced: "HostReplaced",
  PlanAdjusted: "PlanAdjusted",
  WaitingForStartBy: "WaitingForStartBy",
  Vacating: "Vacating",
  HostsFree: "HostsFree",
  HostNotAnswering: "HostNotAnswering",
  WindowOpen: "WindowOpen",
  WindowNotOpen: "WindowNotOpen",
  WindowOver: "WindowOver",
  OnTrack: "OnTrack",
  StartByPassed: "StartByPassed",
  BehindPlan: "BehindPlan",
  WindowReached: "WindowReached",
  Returning: "Returning",
  Returned: "Returned",
  Stayed: "Stayed",
  NotStarted: "NotStarted",
  GaveUp: "GaveUp",
} as const;

export const overheadModelConditions = {
  /** Every phase has enough observations for a fit. */
  Fitted: "Fitted",
  /** Some phase takes much longer, or less, than it used to. */
  Drifting: "Drifting",
} as const;

export const overheadModelReasons = {
  Fitted: "Fitted",
  TooFewObservations: "TooFewObservations",
  LevelChanged: "LevelChanged",
  Steady: "Steady",
} as const;
