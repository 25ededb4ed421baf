/* The target's side: src/agent/migration/{target,target-run,target-resume,target-drop}.ts. */

#define IS_TARGET(h) (up[h] && id[h] != 0 && !isSource[h])
#define IS_WAITING_FOR_SOURCE(h, k) (IS_TARGET(h) && id[h] == (k) && step[h] == Step_Prepared && ready[h])

inline prepareTarget(h, k) {
  id[h] = k;
  isSource[h] = 0;
  stateLost[h] = 0;
  loadFailed[h] = 0;
  writeStep(h, Step_Prepared, 0);
  writeGuest(h, Guest_Incoming);
  epoch[h] = migrationEpoch[k];
  owned[h] = 1;
  ready[h] = 1
}

/* Everything was received and loaded; durable where state lands on disk, before it is said. */
inline vote(h) {
#if STATE_ON_DISK && !defined(WITHOUT_SYNC)
  pairSynced[h] = 1;
#endif
  writeStep(h, Step_Loaded, 0);
  current[h] = (id[OTHER(h)] == id[h] && step[OTHER(h)] == Step_Copying); /* the source has not run on */
  saidLoaded[id[h]] = 1
}

/* Step 5, as far as the journal. Without the memory it is refused, and nothing is written but why. */
inline decideResume(h) {
  if
  :: stateLost[h]
  :: !stateLost[h] && process[h] == Process_Absent && !pair[h] -> loadFailed[h] = 1
  :: else ->
    current[h] = current[h] || mayFallBack[h];
    process[h] = Process_Paused;
    moving[h] = 0;
    loadFailed[h] = 0;
    writeStep(h, Step_Running, 0);
    writeGuest(h, Guest_Running);
    epoch[h] = EPOCH(h) + 1;
    forsake(OTHER(h))
  fi
}

/* One step of what follows from it. */
inline finishResume(h) {
  if
  :: process[h] == Process_Absent -> /* it may have run: its old memory is not used again (R10) */
    writeGuest(h, Guest_Crashed);
    writeStep(h, Step_Running, 1);
    owned[h] = 0;
    pair[h] = 0;
    pairSynced[h] = 0
  :: process[h] == Process_Paused && pair[h] ->
    pair[h] = 0;
    pairSynced[h] = 0
  :: process[h] == Process_Paused && !pair[h] -> goOn(h)
  :: process[h] == Process_Running ->
    writeGuest(h, Guest_Running);
    writeStep(h, Step_Running, 1);
    owned[h] = 0;
    saidRunning[id[h]] = 1
  fi
}

inline decideDrop(h, aStep) {
  moving[h] = 0;
  ready[h] = 0;
  if
  :: aStep == Step_Surrendered -> bury(h, EPOCH(h) + 1)
  :: else
  fi;
  writeStep(h, aStep, 0);
  forsake(h)
}

inline finishDrop(h) {
  if
  :: owned[h] ->
    clearHost(h);
    guest[h] = Guest_None;
    guestOld[h] = 0;
    owned[h] = 0;
    epoch[h] = 0
  :: else
  fi;
  settled[h] = 1;
  stepOld[h] = 0
}

inline takeUpTarget(h) {
  if
  :: step[h] == Step_Prepared || step[h] == Step_Copying -> decideDrop(h, Step_RolledBack)
  :: step[h] == Step_Loaded ->
    settled[h] = 1;
    if
    :: stepOld[h] && !STATE_ON_DISK -> stateLost[h] = 1
    :: else
    fi;
    stepOld[h] = 0
  :: step[h] == Step_Running && !settled[h] && stepOld[h] ->
    guest[h] = Guest_Lost;
    guestOld[h] = 0;
    owned[h] = 0;
    writeStep(h, Step_Running, 1)
  :: else
  fi
}

#define IS_STUCK(h) (step[h] == Step_Running && settled[h] && guest[h] == Guest_Suspended)

#define TARGET_STEPS(h) \
  :: atomic { IS_TARGET(h) && moving[h] && step[h] == Step_Prepared && step[OTHER(h)] == Step_Copying -> \
      writeStep(h, Step_Copying, 0) } \
  :: atomic { IS_TARGET(h) && moving[h] && step[h] == Step_Copying && process[h] == Process_Absent && !pair[h] \
        && id[OTHER(h)] == id[h] && step[OTHER(h)] == Step_Copying && moving[OTHER(h)] -> \
      pair[h] = 1; process[h] = Process_Paused } \
  :: atomic { IS_TARGET(h) && moving[h] && step[h] == Step_Copying && pair[h] -> vote(h) } \
  :: atomic { IS_TARGET(h) && (step[h] == Step_Prepared || step[h] == Step_Copying) -> decideDrop(h, Step_RolledBack) } \
  :: atomic { IS_TARGET(h) && moving[h] && step[h] == Step_Loaded && HEARS(saidHandedOver, id[h]) -> decideResume(h) } \
  :: atomic { IS_TARGET(h) && moving[h] && step[h] == Step_Loaded -> moving[h] = 0; settled[h] = 1 } \
  :: atomic { IS_TARGET(h) && step[h] == Step_Running && !settled[h] -> finishResume(h) } \
  :: atomic { IS_TARGET(h) && step[h] == Step_Running && !settled[h] && process[h] == Process_Paused -> \
      writeGuest(h, Guest_Suspended); settled[h] = 1 } \
  :: atomic { IS_TARGET(h) && (step[h] == Step_RolledBack || step[h] == Step_Surrendered) && !settled[h] -> finishDrop(h) }

#define TARGET_ORDERS(h, term) \
  :: atomic { IS_TARGET(h) && ORDERED(ordersResume, h, term) && step[h] == Step_Loaded -> \
      highestTerm[h] = term; decideResume(h) } \
  :: atomic { IS_TARGET(h) && ORDERED(ordersResume, h, term) && IS_STUCK(h) -> \
      highestTerm[h] = term; settled[h] = 0 } \
  :: atomic { IS_TARGET(h) && ORDERED(ordersDiscard, h, term) && MAY_DROP(h) -> \
      highestTerm[h] = term; decideDrop(h, Step_RolledBack) } \
  :: atomic { IS_TARGET(h) && ORDERED(ordersSurrender, h, term) && (MAY_DROP(h) || MAY_SURRENDER_LATE(h)) -> \
      highestTerm[h] = term; decideDrop(h, Step_Surrendered) }

#define MAY_DROP(h) (step[h] == Step_Prepared || step[h] == Step_Copying || step[h] == Step_Loaded)
/* R6 */
#ifdef WITHOUT_R6
#define MAY_SURRENDER_LATE(h) (step[h] == Step_Running)
#else
#define MAY_SURRENDER_LATE(h) (false)
#endif
