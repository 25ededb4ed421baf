/* What there is: two hosts with journal, process and files, the API server's record of one VM, and what is under way. */

#define OTHER(h) (1 - (h))

/* The names are those of MigrationStep and GuestState in src/agent/protocol/types.ts, plus `None`. A test compares them. */
mtype:step = {
  Step_None, Step_Prepared, Step_Suspending, Step_Copying, Step_Loaded, Step_HandedOver, Step_Running, Step_Released,
  Step_RolledBack, Step_Surrendered
};
mtype:guest = {
  Guest_None, Guest_Starting, Guest_Running, Guest_Suspended, Guest_HandedOver, Guest_Incoming, Guest_Stopped,
  Guest_Crashed, Guest_Lost
};
mtype:process = { Process_Absent, Process_Paused, Process_Running };

/* The journal: one migration and one guest a host. A migration that has ended makes room for the next one. */
mtype:step step[2] = Step_None;
byte id[2];           /* of the migration; 0 is none */
bit isSource[2];
bit settled[2];
bit stateLost[2];     /* the report's reason */
bit loadFailed[2];    /* the report's reason */
bit stepOld[2];       /* written in an earlier boot than this one */
mtype:guest guest[2] = Guest_None;
byte epoch[2];
bit owned[2];         /* the guest takes part in the migration */
bit guestOld[2];      /* written in an earlier boot than this one */
byte tombstone[2];
bit highestTerm[2];   /* operators' terms are 0 and 1 */

/* The host: power, agent and what only its memory knows, the guest's process and its suspended state. */
bit on[2] = 1;
bit up[2] = 1;        /* the agent */
bit moving[2];           /* the agent has a run of the migration under way */
bit ready[2];         /* the agent has the certificate (source), the token (target) of a prepared migration */
mtype:process process[2] = Process_Absent;
bit pair[2];          /* memory file and device state, complete and not used yet */
bit pairSynced[2];    /* it is on the disk, not only in the page cache */

/* Ghost: this host's state is the VM's only true one, or as good as it. */
bit current[2];
bit mayFallBack[2];   /* ghost: the other host was given up */

/* The API server. `from` and `migrationEpoch` of a recorded migration never change. */
bit grantHost;
byte grantEpoch = 1;
bit grantOld;         /* it names an earlier boot of its host than this one */
bit seen;             /* status.hostName is the host with the grant: its agent was seen to hold it */
byte migration;       /* status.migration; 0 is none */
byte lastMigration;
bit succeeded[MIGRATIONS + 1];
bit from[MIGRATIONS + 1];
byte migrationEpoch[MIGRATIONS + 1];
bit recordedBoot[2] = 1; /* VMHost.status.agent.bootID is the boot that runs now */
bit outOfService[2];     /* VMHost.spec.outOfService names the boot in VMHost.status.agent.bootID */

/* What was ever said may arrive late, again, or never. Each is a set by migration. */
bit saidLoaded[MIGRATIONS + 1];
bit saidHandedOver[MIGRATIONS + 1];
bit saidRunning[MIGRATIONS + 1];

/* Orders by migration: a set of the terms that gave it. The other orders do no harm, and arrive at any time unsaid. */
byte ordersAbort[MIGRATIONS + 1], ordersRelease[MIGRATIONS + 1], ordersReclaim[MIGRATIONS + 1];
byte ordersPrepare[MIGRATIONS + 1];
byte ordersDiscard[MIGRATIONS + 1], ordersResume[MIGRATIONS + 1], ordersSurrender[MIGRATIONS + 1];
/* By host: the bit of epoch and term is 1 << (2 * (epoch - 1) + term). */
short ordersStart[2];

byte faults;          /* crashes of agents, hosts and processes so far */
bit calm;             /* nothing fails any more, see calm.pml */

#define SOURCE_OF(k) (from[k])
#define TARGET_OF(k) (OTHER(from[k]))
#define EPOCH(h) (migrationEpoch[id[h]])

/* R2 */
#ifdef WITHOUT_R2
#define TERM_ACCEPTED(h, term) (true)
#define IS_BURIED(h, anEpoch) (false)
#else
#define TERM_ACCEPTED(h, term) ((term) >= highestTerm[h])
#define IS_BURIED(h, anEpoch) ((anEpoch) <= tombstone[h])
#endif

/* Gives up this host's state for good. */
inline forsake(h) {
  assert(!current[h] || current[OTHER(h)]); /* never lost */
  current[h] = 0
}

/* The guest's CPUs go on with the memory that is here. */
inline goOn(h) {
  assert(process[OTHER(h)] != Process_Running); /* never twice */
  assert(current[h]);                           /* never with old memory */
  process[h] = Process_Running;
  current[OTHER(h)] = 0
}

inline bury(h, anEpoch) {
  tombstone[h] = (anEpoch > tombstone[h] -> anEpoch : tombstone[h])
}

inline writeStep(h, aStep, isSettled) {
  step[h] = aStep;
  settled[h] = isSettled;
  stepOld[h] = 0
}

inline writeGuest(h, aState) {
  guest[h] = aState;
  guestOld[h] = 0
}

inline clearHost(h) {
  process[h] = Process_Absent;
  pair[h] = 0;
  pairSynced[h] = 0
}

inline forgetMigration(h) {
  step[h] = Step_None;
  id[h] = 0;
  isSource[h] = 0;
  settled[h] = 0;
  stateLost[h] = 0;
  loadFailed[h] = 0;
  stepOld[h] = 0
}

#define HAS_ENDED(h) (settled[h] && (step[h] == Step_Released || step[h] == Step_RolledBack || step[h] == Step_Surrendered \
  || (step[h] == Step_Running && !isSource[h] && guest[h] != Guest_Suspended)))
