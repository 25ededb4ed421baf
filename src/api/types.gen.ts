// Generated from crds/ by hack/generate-types.ts. Do not edit; run `npm run generate`.
/**
 * How it learns. No controller ever writes here.
 */
export interface OverheadModelSpec {
/**
 * Form of the regression of seconds on bytes of state. Auto chooses by cross-validation for each phase.
 */
form?: ("Auto" | "Linear" | "Polynomial")
/**
 * Number of latest observations by phase that are kept and fitted.
 */
historySize?: number
}

/**
 * What it has learned.
 */
export interface OverheadModelStatus {
/**
 * The generation of the spec that the conditions speak of.
 */
observedGeneration?: number
/**
 * Observations it has learned from since it was made.
 */
observationCount?: number
/**
 * Rate of the copy by the fitted slope, such as 112 MB/s.
 */
copyRate?: string
/**
 * The fit of one phase, and its error.
 */
suspend?: {
/**
 * The form that is used.
 */
form?: ("Linear" | "Polynomial")
/**
 * Microseconds at zero bytes of state.
 */
interceptMicroseconds?: number
/**
 * Nanoseconds for each mebibyte of state.
 */
nanosecondsPerMebibyte?: number
/**
 * Nanoseconds for each mebibyte squared, where the form is Polynomial.
 */
nanosecondsPerSquareMebibyte?: number
/**
 * Standard deviation of the residuals in microseconds.
 */
residualMicroseconds?: number
/**
 * How much longer it takes now than in the older half of the history, such as 12.3%; 0.0% while no drift is found.
 */
drift?: string
/**
 * Observations in the fit.
 */
observations?: number
/**
 * Mean absolute error of predictions made beforehand, such as 4.1%.
 */
mape?: string
/**
 * 90th percentile of the absolute error of predictions made beforehand.
 */
p90?: string
/**
 * Mean signed error of predictions made beforehand; positive means predicted too long.
 */
bias?: string
}
/**
 * The fit of one phase, and its error.
 */
copy?: {
/**
 * The form that is used.
 */
form?: ("Linear" | "Polynomial")
/**
 * Microseconds at zero bytes of state.
 */
interceptMicroseconds?: number
/**
 * Nanoseconds for each mebibyte of state.
 */
nanosecondsPerMebibyte?: number
/**
 * Nanoseconds for each mebibyte squared, where the form is Polynomial.
 */
nanosecondsPerSquareMebibyte?: number
/**
 * Standard deviation of the residuals in microseconds.
 */
residualMicroseconds?: number
/**
 * How much longer it takes now than in the older half of the history, such as 12.3%; 0.0% while no drift is found.
 */
drift?: string
/**
 * Observations in the fit.
 */
observations?: number
/**
 * Mean absolute error of predictions made beforehand, such as 4.1%.
 */
mape?: string
/**
 * 90th percentile of the absolute error of predictions made beforehand.
 */
p90?: string
/**
 * Mean signed error of predictions made beforehand; positive means predicted too long.
 */
bias?: string
}
/**
 * The fit of one phase, and its error.
 */
resume?: {
/**
 * The form that is used.
 */
form?: ("Linear" | "Polynomial")
/**
 * Microseconds at zero bytes of state.
 */
interceptMicroseconds?: number
/**
 * Nanoseconds for each mebibyte of state.
 */
nanosecondsPerMebibyte?: number
/**
 * Nanoseconds for each mebibyte squared, where the form is Polynomial.
 */
nanosecondsPerSquareMebibyte?: number
/**
 * Standard deviation of the residuals in microseconds.
 */
residualMicroseconds?: number
/**
 * How much longer it takes now than in the older half of the history, such as 12.3%; 0.0% while no drift is found.
 */
drift?: string
/**
 * Observations in the fit.
 */
observations?: number
/**
 * Mean absolute error of predictions made beforehand, such as 4.1%.
 */
mape?: string
/**
 * 90th percentile of the absolute error of predictions made beforehand.
 */
p90?: string
/**
 * Mean signed error of predictions made beforehand; positive means predicted too long.
 */
bias?: string
}
/**
 * Error of the predictions of whole migrations.
 */
total?: {
/**
 * Standard deviation of the residuals in microseconds.
 */
residualMicroseconds?: number
/**
 * Predictions that could be compared.
 */
observations?: number
/**
 * Mean absolute error of predictions made beforehand, such as 4.1%.
 */
mape?: string
/**
 * 90th percentile of the absolute error of predictions made beforehand.
 */
p90?: string
/**
 * Mean signed error of predictions made beforehand; positive means predicted too long.
 */
bias?: string
}
/**
 * The observations, oldest first.
 */
history?: {
/**
 * Id of the migration.
 */
id: string
/**
 * When it ended.
 */
finishedAt?: string
/**
 * Which of the migration's hosts belong to this model.
 */
role?: ("Source" | "Target" | "Both")
/**
 * Bytes of state that moved.
 */
stateBytes?: number
/**
 * Migrations that ran when it began, itself included.
 */
parallel?: number
/**
 * Milliseconds by phase.
 */
measuredMilliseconds?: {
/**
 * Milliseconds of the suspend.
 */
suspend?: number
/**
 * Milliseconds of the copy.
 */
copy?: number
/**
 * Milliseconds of the resume.
 */
resume?: number
/**
 * Milliseconds of the whole migration.
 */
total?: number
}
/**
 * Milliseconds by phase.
 */
predictedMilliseconds?: {
/**
 * Milliseconds of the suspend.
 */
suspend?: number
/**
 * Milliseconds of the copy.
 */
copy?: number
/**
 * Milliseconds of the resume.
 */
resume?: number
/**
 * Milliseconds of the whole migration.
 */
total?: number
}
}[]
/**
 * Conditions after the Kubernetes conventions.
 */
conditions?: {
/**
 * Name of the condition.
 */
type: string
/**
 * Whether it holds: True, False or Unknown.
 */
status: ("True" | "False" | "Unknown")
/**
 * The reason in one CamelCase word.
 */
reason: string
/**
 * The reason in a sentence for people.
 */
message: string
/**
 * The generation of the spec that it speaks of.
 */
observedGeneration?: number
/**
 * When its status changed last.
 */
lastTransitionTime: string
}[]
}

/**
 * What people want. No controller ever writes here.
 */
export interface ReservationSpec {
/**
 * Which hosts, and how many.
 */
hosts: {
/**
 * Number of hosts.
 */
count: number
/**
 * Label selector; an empty one matches everything.
 */
selector?: {
/**
 * Labels and their values, all of which must be there.
 */
matchLabels?: {
[k: string]: string
}
/**
 * Further requirements, all of which must hold.
 */
matchExpressions?: {
/**
 * Label key.
 */
key: string
/**
 * How the label's value relates to the values.
 */
operator: ("In" | "NotIn" | "Exists" | "DoesNotExist")
/**
 * Values for In and NotIn.
 */
values?: string[]
}[]
}
/**
 * CPU cores that each host must have.
 */
minCpus?: number
/**
 * Memory that each host must have, such as 64Gi.
 */
minMemory?: string
}
/**
 * When the hosts are wanted, once (start) or again and again (schedule).
 */
window: {
/**
 * Start of the only window, such as 2030-01-31T09:00:00Z.
 */
start?: string
/**
 * Starts of recurring windows: five cron fields, minute hour day-of-month month day-of-week, such as 0 9 * * MON-FRI. A local time that daylight saving skips starts at the next valid minute; one that comes twice starts once, the first time.
 */
schedule?: string
/**
 * IANA time zone of the schedule, such as Europe/Berlin. Absent means UTC.
 */
timeZone?: string
/**
 * Length of the window, such as 90m or 1h30m; between 1m and 720h.
 */
duration: string
}
/**
 * VMs of this namespace that may be on the hosts during the window. Absent means none.
 */
guests?: {
/**
 * Label selector; an empty one matches everything.
 */
selector?: {
/**
 * Labels and their values, all of which must be there.
 */
matchLabels?: {
[k: string]: string
}
/**
 * Further requirements, all of which must hold.
 */
matchExpressions?: {
/**
 * Label key.
 */
key: string
/**
 * How the label's value relates to the values.
 */
operator: ("In" | "NotIn" | "Exists" | "DoesNotExist")
/**
 * Values for In and NotIn.
 */
values?: string[]
}[]
}
}
/**
 * Wanted probability that the hosts are free when the window starts, from 50% to 99.99%.
 */
onTimeTarget?: string
/**
 * Migrations at once. Absent lets the planner decide.
 */
parallelMigrations?: number
/**
 * What the displaced VMs do after the window. A VM with a home goes home in any case.
 */
afterwards?: ("Return" | "Stay")
/**
 * What to do when the window begins and the hosts are not free: go on, or release them and bring the VMs back.
 */
whenLate?: ("KeepVacating" | "GiveUp")
/**
 * Nothing new starts while this is true; what is in flight ends. Hosts that are held stay held.
 */
suspend?: boolean
/**
 * Who decides that a plan may run.
 */
approval?: {
/**
 * Manual: vacating begins only when planHash names the present plan, which is then carried out as it is.
 */
mode?: ("Automatic" | "Manual")
/**
 * The plan that may run (status.plan.hash).
 */
planHash?: string
}
}

/**
 * What Vacate decided, predicted and measured.
 */
export interface ReservationStatus {
/**
 * The generation of the spec that the conditions speak of.
 */
observedGeneration?: number
/**
 * How far it is, computed from the conditions for people: Pending, Admitted, Planned, Vacating, Vacated, Active, Returning, Completed, Refused.
 */
phase?: string
/**
 * The window that every condition speaks of.
 */
window?: {
/**
 * Counts this reservation's windows from 1.
 */
number: number
/**
 * Its start.
 */
start: string
/**
 * Its end.
 */
end: string
}
/**
 * The window after that one, of a recurring reservation.
 */
nextWindow?: {
/**
 * Counts this reservation's windows from 1.
 */
number: number
/**
 * Its start.
 */
start: string
/**
 * Its end.
 */
end: string
}
/**
 * When it was first admitted. A window that was in the future then is never refused as past.
 */
admittedAt?: string
/**
 * The latest moment to begin so that the hosts are free in time with the wanted probability.
 */
startBy?: string
/**
 * When the first VM was told to move.
 */
vacatingSince?: string
/**
 * Probability that the hosts are free in time, such as 99.3%.
 */
onTimeProbability?: string
/**
 * The hosts it holds.
 */
hosts?: {
/**
 * Name of the VMHost.
 */
name: string
/**
 * When its agent said that no displaced VM is left.
 */
vacatedAt?: string
}[]
/**
 * What will be moved where. Written anew only when its hash changes.
 */
plan?: {
/**
 * Fingerprint of hosts, moves and parallelism.
 */
hash: string
/**
 * When it was made.
 */
computedAt?: string
/**
 * Migrations at once.
 */
parallelMigrations?: number
/**
 * Predicted total.
 */
predictedMilliseconds?: number
/**
 * Time set aside: the quantile of the total that the on-time target asks for.
 */
allowanceMilliseconds?: number
/**
 * How much measured data stands behind it: low, medium or high.
 */
confidence?: string
/**
 * What was done otherwise than planned once vacating had begun, and since when; the last ten.
 */
adjustments?: string[]
/**
 * The moves, in their order.
 */
moves?: {
/**
 * UID of the VirtualMachine.
 */
uid: string
/**
 * Its namespace.
 */
namespace: string
/**
 * Its name.
 */
name: string
/**
 * The host it leaves.
 */
from: string
/**
 * The host it goes to.
 */
to: string
/**
 * Predicted time of this move.
 */
predictedMilliseconds?: number
}[]
}
/**
 * What may be expected of the plan, as of when it was made.
 */
quote?: {
/**
 * Probability of being on time when it begins at start-by, such as 99.3%.
 */
onTimeProbability?: string
/**
 * Predicted total.
 */
predictedMilliseconds?: number
/**
 * Predicted time for which VMs stand still, of all VMs together.
 */
downtimeMilliseconds?: number
/**
 * The earliest window start that would be met with 99.99% if vacating began when the plan was made.
 */
certainFrom?: string
}
/**
 * How far the vacating or the return is.
 */
progress?: {
/**
 * VMs that have to move.
 */
displaced?: number
/**
 * VMs that have moved.
 */
moved?: number
/**
 * Moves that failed and will be tried again.
 */
failed?: number
/**
 * All of it in a few characters, such as 3/6.
 */
summary?: string
}
/**
 * The score of the window.
 */
outcome?: {
/**
 * Whether the hosts were free when the window started; Missed when they were given up.
 */
result?: ("OnTime" | "Late" | "Missed")
/**
 * When the last host was free.
 */
vacatedAt?: string
/**
 * How long before the window they were free, such as 4.2s; negative when late.
 */
lead?: string
/**
 * The same in milliseconds.
 */
leadMilliseconds?: number
/**
 * Predicted total when vacating began.
 */
predictedMilliseconds?: number
/**
 * Measured total.
 */
measuredMilliseconds?: number
}
/**
 * The last ten windows that are over, the newest first.
 */
windows?: {
/**
 * Counts this reservation's windows from 1.
 */
number: number
/**
 * Its start.
 */
start: string
/**
 * Its end.
 */
end: string
/**
 * Whether the hosts were free at its start (OnTime), later or never (Late), or were not vacated at all (Missed).
 */
result: ("OnTime" | "Late" | "Missed")
/**
 * How long before its start the hosts were free; negative when late.
 */
leadMilliseconds?: number
/**
 * Predicted total when vacating began.
 */
predictedMilliseconds?: number
/**
 * Measured total.
 */
measuredMilliseconds?: number
}[]
/**
 * Conditions after the Kubernetes conventions.
 */
conditions?: {
/**
 * Name of the condition.
 */
type: string
/**
 * Whether it holds: True, False or Unknown.
 */
status: ("True" | "False" | "Unknown")
/**
 * The reason in one CamelCase word.
 */
reason: string
/**
 * The reason in a sentence for people.
 */
message: string
/**
 * The generation of the spec that it speaks of.
 */
observedGeneration?: number
/**
 * When its status changed last.
 */
lastTransitionTime: string
}[]
}

/**
 * What people want. No controller ever writes here.
 */
export interface VirtualMachineSpec {
/**
 * Number of virtual CPUs.
 */
cpus: number
/**
 * Memory of the guest, such as 512Mi or 4Gi.
 */
memory: string
/**
 * The guest's disk, a local overlay over a shared read-only base image.
 */
disk: {
/**
 * Name of the base image, a folder of that name in the image folder of every host that may run this VM.
 */
image: string
}
/**
 * Whether the guest shall run.
 */
powerState?: ("Running" | "Stopped")
/**
 * Its home, the VMHost where it belongs. Written by people only; set another one to move the VM. Absent lets the scheduler choose.
 */
hostName?: string
/**
 * Constraints on where it may run.
 */
placement?: {
/**
 * Labels that the object must carry. An empty selector matches everything.
 */
hostSelector?: {
/**
 * Labels and their values, all of which must be there.
 */
matchLabels?: {
[k: string]: string
}
}
/**
 * Labels of VMs of this namespace with which it may not share a host.
 */
apartFrom?: {
/**
 * Labels and their values, all of which must be there.
 */
matchLabels?: {
[k: string]: string
}
}
}
/**
 * How it may be moved.
 */
migration?: {
/**
 * Never keeps it where it is; its host cannot be chosen for a reservation.
 */
policy?: ("Allowed" | "Never")
/**
 * How it moves.
 */
strategy?: "SuspendCopyResume"
}
/**
 * What happens when its own process died or its memory was lost with its host: start it anew from its disk, or leave it stopped.
 */
onCrash?: ("Restart" | "Stop")
/**
 * What happens to the guest when this object is deleted. Retain leaves it running on its host, to be adopted by an object of the same name.
 */
deletionPolicy?: ("Delete" | "Retain")
}

/**
 * What Vacate decided and found.
 */
export interface VirtualMachineStatus {
/**
 * The generation of the spec that the conditions speak of.
 */
observedGeneration?: number
/**
 * What it does, for people: Pending, Starting, Running, Suspending, Copying, Resuming, Stopped, Crashed, Terminating, Unknown.
 */
phase?: string
/**
 * The host whose agent holds the VM.
 */
hostName?: string
/**
 * The one permission to run. Recorded before an agent is asked to start anything.
 */
grant?: {
/**
 * The host that may run it.
 */
hostName: string
/**
 * Counts up with every grant. An agent refuses an epoch it has given away.
 */
epoch: number
/**
 * The boot of that host in which the grant was taken up.
 */
bootID?: string
}
/**
 * Where it should be, unless its home says otherwise. The only door for scheduler and planner.
 */
assignment?: {
/**
 * The host it is assigned to.
 */
hostName: string
/**
 * The host it shall go back to afterwards.
 */
returnTo?: string
/**
 * When it was assigned.
 */
since?: string
/**
 * Who assigned it.
 */
by: {
/**
 * The scheduler, or a reservation that displaced it.
 */
kind: ("Scheduler" | "Reservation")
/**
 * Namespace of the reservation.
 */
namespace?: string
/**
 * Name of the reservation.
 */
name?: string
/**
 * UID of the reservation.
 */
uid?: string
}
}
/**
 * The running migration, written before an agent is asked for anything and immutable but for its progress until it ends.
 */
migration?: {
/**
 * Unique id of the migration.
 */
id: string
/**
 * Epoch under which the source holds the VM. The target runs it under the next one.
 */
epoch: number
/**
 * The source host.
 */
from: string
/**
 * The target host.
 */
to: string
/**
 * The step it is at.
 */
step: ("Prepare" | "Suspend" | "Copy" | "HandOver" | "Resume" | "Release" | "RollBack")
/**
 * When it was recorded.
 */
startedAt?: string
/**
 * Bytes of state that were expected to move; what the prediction goes by.
 */
stateBytes?: number
/**
 * Bytes of state that have arrived.
 */
bytesDone?: number
/**
 * Bytes of state that have to move.
 */
bytesTotal?: number
/**
 * Migrations that ran when this one began, itself included.
 */
parallel?: number
/**
 * Milliseconds by phase.
 */
predictedMilliseconds?: {
/**
 * From the order to stop until the state is complete on the source.
 */
suspend?: number
/**
 * From complete on the source until loaded on the target.
 */
copy?: number
/**
 * From loaded on the target until the guest runs there.
 */
resume?: number
/**
 * The whole migration with its preparation.
 */
total?: number
}
}
/**
 * The last eight finished migrations, newest first.
 */
migrations?: {
/**
 * Unique id of the migration.
 */
id: string
/**
 * How it ended.
 */
result: ("Succeeded" | "RolledBack" | "Failed")
/**
 * Why it did not succeed, in one CamelCase word.
 */
reason?: string
/**
 * Why it did not succeed, in a sentence.
 */
message?: string
/**
 * The source host.
 */
from: string
/**
 * The target host.
 */
to: string
/**
 * When it was recorded.
 */
startedAt?: string
/**
 * When it ended.
 */
finishedAt?: string
/**
 * Bytes of state that were expected to move; what the prediction went by and the model learns from.
 */
stateBytes?: number
/**
 * Bytes of state that really moved.
 */
movedBytes?: number
/**
 * From the guest's stop on the source until it ran on the target.
 */
downtimeMilliseconds?: number
/**
 * Migrations that ran when this one began, itself included.
 */
parallel?: number
/**
 * Milliseconds by phase.
 */
predictedMilliseconds?: {
/**
 * From the order to stop until the state is complete on the source.
 */
suspend?: number
/**
 * From complete on the source until loaded on the target.
 */
copy?: number
/**
 * From loaded on the target until the guest runs there.
 */
resume?: number
/**
 * The whole migration with its preparation.
 */
total?: number
}
/**
 * Milliseconds by phase.
 */
measuredMilliseconds?: {
/**
 * From the order to stop until the state is complete on the source.
 */
suspend?: number
/**
 * From complete on the source until loaded on the target.
 */
copy?: number
/**
 * From loaded on the target until the guest runs there.
 */
resume?: number
/**
 * The whole migration with its preparation.
 */
total?: number
}
}[]
/**
 * Conditions after the Kubernetes conventions.
 */
conditions?: {
/**
 * Name of the condition.
 */
type: string
/**
 * Whether it holds: True, False or Unknown.
 */
status: ("True" | "False" | "Unknown")
/**
 * The reason in one CamelCase word.
 */
reason: string
/**
 * The reason in a sentence for people.
 */
message: string
/**
 * The generation of the spec that it speaks of.
 */
observedGeneration?: number
/**
 * When its status changed last.
 */
lastTransitionTime: string
}[]
}

/**
 * What people say about the host. No controller ever writes here.
 */
export interface VMHostSpec {
/**
 * IP address or DNS name under which the host's SSH server answers.
 */
address: string
/**
 * TCP port of the host's SSH server.
 */
sshPort?: number
/**
 * The user to log in as. It must be allowed to open the agent's socket, and needs no other right.
 */
user?: string
/**
 * The host's public SSH key, as in the host's /etc/ssh/ssh_host_ed25519_key.pub. Another key is refused; nothing is trusted on first use.
 */
hostKey: string
/**
 * Name of the Secret in the operator's namespace whose key ssh-privatekey holds the private key to log in with.
 */
identitySecretName: string
/**
 * Path of the agent's Unix socket on the host. At most 100 characters, the kernel allows 107.
 */
agentSocket?: string
/**
 * Address under which other hosts' agents reach this one to send VM state. Absent means spec.address.
 */
dataAddress?: string
/**
 * The VM software that the agent drives. An agent that reports another one makes the host not ready.
 */
driver?: ("QEMU" | "Simulated")
/**
 * Where suspended state is expected to land. Absent accepts what the agent finds; a difference makes the host not ready.
 */
stateLanding?: ("RAM" | "Disk")
/**
 * Bandwidth of the host's link in megabits a second. Predictions use it until enough migrations have been measured.
 */
linkMegabitsPerSecond?: number
/**
 * When true no VM is placed here any more. VMs that run here stay.
 */
unschedulable?: boolean
/**
 * Namespaces whose reservations may hold this host. Absent means all namespaces, an empty list none.
 */
reservableFrom?: string[]
/**
 * Name of the OverheadModel that learns from this host's migrations. Hosts of the same hardware, VM software and storage share one.
 */
overheadModelName?: string
/**
 * Set by a person only, when the host will never return in this boot. It stands for the surrender of every VM the host holds in that boot, so that they may be started elsewhere.
 */
outOfService?: {
/**
 * The boot id (status.agent.bootID) that is given up. Another boot of the host is not covered.
 */
bootID: string
}
}

/**
 * What Vacate found out about the host.
 */
export interface VMHostStatus {
/**
 * The generation of the spec that the conditions speak of.
 */
observedGeneration?: number
/**
 * What the agent says about itself.
 */
agent?: {
/**
 * Identity of the agent's journal. A changed one makes the host not ready until a person deletes and re-creates the VMHost.
 */
uuid?: string
/**
 * Boot id of the host's kernel.
 */
bootID?: string
/**
 * Version of the agent.
 */
version?: string
/**
 * The VM software it drives.
 */
driver?: string
/**
 * What runs the guests' CPUs, such as kvm or tcg.
 */
accelerator?: string
/**
 * The CPU model that new guests see. A guest takes its own along, and a host whose VM software lacks it refuses it.
 */
cpuModel?: string
/**
 * The versioned machine type of new guests. A guest takes its own along.
 */
machineType?: string
/**
 * Where suspended state lands, RAM or Disk.
 */
stateLanding?: string
/**
 * Base images found on the host.
 */
images?: {
/**
 * Name as in a VirtualMachine's spec.disk.image.
 */
name: string
/**
 * Checksum of the image.
 */
sha256?: string
}[]
}
/**
 * What the host can give to guests.
 */
capacity?: {
/**
 * CPU cores.
 */
cpus?: number
/**
 * Memory for guests.
 */
memory?: string
/**
 * Size in bytes of the place where state lands.
 */
stateBytes?: number
}
/**
 * What is given to guests and to migrations on their way here.
 */
allocated?: {
/**
 * CPUs of the guests.
 */
cpus?: number
/**
 * Memory of the guests.
 */
memory?: string
/**
 * Number of guests.
 */
virtualMachines?: number
}
/**
 * The guests that the agent holds, also ones that the API does not know.
 */
virtualMachines?: {
/**
 * UID of the VirtualMachine.
 */
uid: string
/**
 * Namespace of the VirtualMachine.
 */
namespace: string
/**
 * Name of the VirtualMachine.
 */
name: string
/**
 * Epoch under which it is held.
 */
epoch?: number
/**
 * State at the agent.
 */
state: string
/**
 * Whether a VirtualMachine with this uid exists. An unknown guest is reported and never killed.
 */
known?: boolean
}[]
/**
 * The reservations that hold this host, in order of their windows. Written with resourceVersion, so two reservations can never both believe they have it.
 */
holds?: {
/**
 * The holder.
 */
reservation: {
/**
 * Namespace of the Reservation.
 */
namespace: string
/**
 * Name of the Reservation.
 */
name: string
/**
 * UID of the Reservation.
 */
uid: string
}
/**
 * Start of the window.
 */
start: string
/**
 * End of the window.
 */
end: string
/**
 * When the reservation was made. The older one wins.
 */
since: string
/**
 * From when on no other VM may come here; the reservation's start-by. Absent means the start of the window.
 */
closedFrom?: string
}[]
/**
 * Conditions after the Kubernetes conventions.
 */
conditions?: {
/**
 * Name of the condition.
 */
type: string
/**
 * Whether it holds: True, False or Unknown.
 */
status: ("True" | "False" | "Unknown")
/**
 * The reason in one CamelCase word.
 */
reason: string
/**
 * The reason in a sentence for people.
 */
message: string
/**
 * The generation of the spec that it speaks of.
 */
observedGeneration?: number
/**
 * When its status changed last.
 */
lastTransitionTime: string
}[]
}
