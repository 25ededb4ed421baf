/* What fails, what returns, and the person who gives a host up. Lost, late and repeated words need no step of their own. */

#ifdef WITHOUT_R4
#define FIELDS_OF_JOURNAL(to, of, h) \
  to##step[h] = of##step[h]; to##id[h] = of##id[h]; to##isSource[h] = of##isSource[h]; \
  to##settled[h] = of##settled[h]; to##stateLost[h] = of##stateLost[h]; to##loadFailed[h] = of##loadFailed[h]; \
  to##guest[h] = of##guest[h]; to##epoch[h] = of##epoch[h]; to##owned[h] = of##owned[h]; \
  to##tombstone[h] = of##tombstone[h]; to##highestTerm[h] = of##highestTerm[h]

mtype:step disk_step[2] = Step_None;
byte disk_id[2], disk_epoch[2], disk_tombstone[2];
bit disk_isSource[2], disk_settled[2], disk_stateLost[2], disk_loadFailed[2], disk_owned[2], disk_highestTerm[2];
mtype:guest disk_guest[2] = Guest_None;
#endif

inline dropOrders(h) {
  ordersStart[h] = 0;
  for (k : 1 .. MIGRATIONS) {
    if
    :: SOURCE_OF(k) == h ->
      ordersAbort[k] = 0;
      ordersRelease[k] = 0;
      ordersReclaim[k] = 0
    :: else ->
      ordersDiscard[k] = 0;
      ordersResume[k] = 0;
      ordersSurrender[k] = 0
    fi;
    ordersPrepare[k] = 0
  }
  k = 0
}

inline crashAgent(h) {
  up[h] = 0;
  moving[h] = 0;
  ready[h] = 0
}

inline powerOff(h) {
  on[h] = 0;
  grantOld = grantOld || grantHost == h;
  crashAgent(h);
  process[h] = Process_Absent;
  current[h] = current[h] && STATE_ON_DISK && step[h] == Step_Loaded;
  pair[h] = pair[h] && pairSynced[h];
  stepOld[h] = (step[h] != Step_None);
  guestOld[h] = (guest[h] != Guest_None);
#ifndef WITHOUT_CONNECTIONS
  dropOrders(h);
#endif
#ifdef WITHOUT_R4
  FIELDS_OF_JOURNAL(, disk_, h);
#endif
}

inline dieRunning(h) {
  process[h] = Process_Absent;
  current[h] = 0
}

/* Its state may be loaded again, unless it is used or may have been. */
inline diePaused(h) {
  process[h] = Process_Absent;
  current[h] = current[h] && pair[h] && step[h] != Step_Running
}

#define MAY_FAIL (faults < MAX_FAULTS)

inline fail() {
  faults++
}

#define IS_GIVEN_UP(h) (outOfService[h])

/* R6: what the host had, also if it has run, is given up with it; a source that kept its copy may fall back to that. */
inline giveUp(h) {
  outOfService[h] = 1;
  current[h] = 0;
  mayFallBack[OTHER(h)] = 1
}

proctype Fate(bit h) provided (!calm) {
  byte k;
  do
  :: atomic { MAY_FAIL && up[h] -> fail(); crashAgent(h) }
  :: atomic { on[h] && !up[h] -> startAgent(h) }
  :: atomic { MAY_FAIL && on[h] -> fail(); powerOff(h) }
  :: atomic { !on[h] -> on[h] = 1; recordedBoot[h] = 0 }
  :: atomic { MAY_FAIL && process[h] == Process_Running -> fail(); dieRunning(h) }
  :: atomic { MAY_FAIL && process[h] == Process_Paused -> fail(); diePaused(h) }
  :: atomic { MAY_FAIL && process[h] == Process_Absent && IS_TARGET(h) && step[h] == Step_Loaded && pair[h] -> /* cannot be loaded again */
      fail(); pair[h] = 0; pairSynced[h] = 0; current[h] = 0 }
#ifdef WITHOUT_R4
  :: atomic { on[h] -> FIELDS_OF_JOURNAL(disk_, , h) } /* the page cache is written back some time */
#endif
  /* The vmhost controller writes the boot that it sees. R7: what was said of another boot is void then. */
#ifdef WITHOUT_R7_BOOT
  :: atomic { up[h] && !recordedBoot[h] -> recordedBoot[h] = 1 }
#else
  :: atomic { up[h] && !recordedBoot[h] -> recordedBoot[h] = 1; outOfService[h] = 0 }
#endif
#ifndef WITHOUT_R7
  :: atomic { !on[h] && !outOfService[h] -> giveUp(h) }
#endif
  od
}
