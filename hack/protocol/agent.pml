/* One host's agent: orders about guests and migrations, and what it does by itself. src/agent/{guests,migration}/. */

#define ORDERED(orders, h, term) ((orders[id[h]] & (1 << (term))) && TERM_ACCEPTED(h, term))
#define START_BIT(anEpoch, term) (1 << (2 * ((anEpoch) - 1) + (term)))

/* R2: only this migration's words count. */
#ifdef WITHOUT_R2
#define HEARS(said, k) (said[1] || said[MIGRATIONS])
#else
#define HEARS(said, k) (said[k])
#endif

#include "source.pml"
#include "target.pml"

/* A grant comes true: a cold boot from the disk, or the guest runs here already. */
inline start(h, anEpoch) {
  epoch[h] = anEpoch;
  if
  :: guest[h] == Guest_Running
  :: else -> writeGuest(h, Guest_Starting)
  fi
}

inline boot(h) {
  assert(process[OTHER(h)] != Process_Running); /* never twice */
  assert(!current[h] && !current[OTHER(h)]);    /* never from scratch while its memory is somewhere */
  pair[h] = 0;
  pairSynced[h] = 0;
  process[h] = Process_Running;
  current[h] = 1
}

inline takeUpGuest(h) {
  if
  :: owned[h]
  :: !owned[h] && guest[h] == Guest_Starting ->
    writeGuest(h, (process[h] == Process_Running -> Guest_Running : Guest_Stopped))
  :: !owned[h] && guest[h] == Guest_Running && process[h] == Process_Absent ->
    writeGuest(h, (guestOld[h] -> Guest_Lost : Guest_Crashed))
  :: else
  fi
}

/* A new agent: the journal and what outlived the agent before it are brought in line. */
inline startAgent(h) {
  takeUpGuest(h);
  if
  :: isSource[h] -> takeUpSource(h)
  :: !isSource[h] && id[h] != 0 -> takeUpTarget(h)
  :: else
  fi;
  up[h] = 1
}

/* A preparation that arrives after its migration was forgotten is a known gap, see docs/migration-protocol.md. */
#ifdef WITH_LATE_PREPARE
#define IS_RECORDED(k) (true)
#else
#define IS_RECORDED(k) (migration == (k))
#endif

#define IS_FREE_FOR(h, k) (IS_RECORDED(k) && IS_FREE(h, k))
#define IS_FREE(h, k) (id[h] == 0 || (HAS_ENDED(h) && id[h] != (k)))
#define MAY_PREPARE_SOURCE(h, k) (up[h] && from[k] == (h) && IS_FREE_FOR(h, k) && guest[h] == Guest_Running && !owned[h] \
  && epoch[h] == migrationEpoch[k])
#define MAY_PREPARE_TARGET(h, k) (up[h] && from[k] != (h) && IS_FREE_FOR(h, k) && guest[h] == Guest_None \
  && !IS_BURIED(h, migrationEpoch[k]) && id[OTHER(h)] == (k) && step[OTHER(h)] == Step_Prepared && ready[OTHER(h)])
#define MAY_START(h, anEpoch) (up[h] && !IS_BURIED(h, anEpoch) && !owned[h] && (anEpoch) >= epoch[h] \
  && ((anEpoch) > epoch[h] || guest[h] != Guest_Running) && guest[h] != Guest_Starting)

#define PREPARATIONS(h, k, term) \
  :: atomic { MAY_PREPARE_SOURCE(h, k) && (ordersPrepare[k] & (1 << (term))) && TERM_ACCEPTED(h, term) -> \
      highestTerm[h] = term; prepareSource(h, k) } \
  :: atomic { MAY_PREPARE_TARGET(h, k) && (ordersPrepare[k] & (1 << (term))) && TERM_ACCEPTED(h, term) -> \
      highestTerm[h] = term; prepareTarget(h, k) }

#define STARTS(h, anEpoch, term) \
  :: atomic { MAY_START(h, anEpoch) && (ordersStart[h] & START_BIT(anEpoch, term)) && TERM_ACCEPTED(h, term) -> \
      highestTerm[h] = term; start(h, anEpoch) }

proctype Agent(bit h) provided (!calm) {
  do
  SOURCE_STEPS(h)
  TARGET_STEPS(h)
  SOURCE_ORDERS(h, 0)
  SOURCE_ORDERS(h, 1)
  TARGET_ORDERS(h, 0)
  TARGET_ORDERS(h, 1)
#ifdef WITH_LATE_PREPARE
  PREPARATIONS(h, 1, 0)
  PREPARATIONS(h, 1, 1)
#endif
  STARTS(h, 1, 0)
  STARTS(h, 1, 1)
  STARTS(h, 2, 0)
  STARTS(h, 2, 1)
  STARTS(h, 3, 0)
  STARTS(h, 3, 1)
  STARTS(h, 4, 0)
  STARTS(h, 4, 1)
  :: atomic { up[h] && guest[h] == Guest_Starting && process[h] == Process_Absent -> boot(h) }
  :: atomic { up[h] && guest[h] == Guest_Starting && process[h] == Process_Running -> writeGuest(h, Guest_Running) }
  :: atomic { up[h] && guest[h] == Guest_Running && process[h] == Process_Absent && (!owned[h] || IS_SOURCE(h)) ->
      writeGuest(h, Guest_Crashed) }
#ifdef WITHOUT_R3
  /* A target that voted gets impatient. */
  :: atomic { IS_TARGET(h) && step[h] == Step_Loaded -> decideResume(h) }
  :: atomic { IS_TARGET(h) && step[h] == Step_Loaded -> decideDrop(h, Step_RolledBack) }
#endif
  od
}
