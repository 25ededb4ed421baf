/* The source's side: src/agent/migration/{source,source-run,roll-back,release}.ts. */

#define IS_BEFORE_HAND_OVER(h) (step[h] == Step_Prepared || step[h] == Step_Suspending || step[h] == Step_Copying)
#define IS_SOURCE(h) (up[h] && isSource[h])

inline prepareSource(h, k) {
  id[h] = k;
  isSource[h] = 1;
  stateLost[h] = 0;
  loadFailed[h] = 0;
  writeStep(h, Step_Prepared, 0);
  owned[h] = 1;
  ready[h] = 1
}

/* The decision is durable before the guest runs. */
inline decideRollBack(h) {
  moving[h] = 0;
  ready[h] = 0;
  if
  :: step[h] == Step_Prepared ->
    writeStep(h, Step_RolledBack, 1);
    owned[h] = 0
  :: else ->
    writeStep(h, Step_RolledBack, 0);
    if
    :: id[OTHER(h)] == id[h] -> forsake(OTHER(h)) /* what voted there counts no more */
    :: else
    fi
  fi
}

/* One step of what follows from a roll-back that is decided. */
inline finishRollBack(h) {
  if
  :: guest[h] == Guest_Lost || guestOld[h] ->
    guest[h] = Guest_Lost;
    settleRollBack(h)
  :: else ->
    if
    :: process[h] == Process_Running ->
      writeGuest(h, Guest_Running);
      settleRollBack(h)
    :: process[h] == Process_Paused && pair[h] -> pair[h] = 0 /* R10: first invalidated, then used */
    :: process[h] == Process_Paused && !pair[h] -> goOn(h)
    :: process[h] == Process_Absent && pair[h] -> process[h] = Process_Paused
    :: process[h] == Process_Absent && !pair[h] ->
      writeGuest(h, Guest_Crashed);
      settleRollBack(h)
    fi
  fi
}

inline settleRollBack(h) {
  writeStep(h, Step_RolledBack, 1);
  guestOld[h] = 0;
  owned[h] = 0
}

inline decideRelease(h) {
  moving[h] = 0;
  ready[h] = 0;
  bury(h, EPOCH(h));
  stateLost[h] = 0;
  writeStep(h, Step_Running, 0);
  forsake(h)
}

inline finishRelease(h) {
  clearHost(h);
  guest[h] = Guest_None;
  guestOld[h] = 0;
  owned[h] = 0;
  epoch[h] = 0;
  writeStep(h, Step_Released, 1)
}

inline reclaim(h) {
  moving[h] = 0;
  epoch[h] = EPOCH(h) + 2;
  current[h] = current[h] || (mayFallBack[h] && pair[h] && !guestOld[h]);
  guest[h] = (guestOld[h] -> Guest_Lost : Guest_Suspended);
  guestOld[h] = 0;
  writeStep(h, Step_RolledBack, 0);
  forsake(OTHER(h))
}

/* What an agent does with a source's migration that an earlier one left. Starts nothing (R4). */
inline takeUpSource(h) {
  if
  :: step[h] == Step_Prepared ->
    writeStep(h, Step_RolledBack, 1);
    owned[h] = 0;
    if
    :: guest[h] == Guest_Running && process[h] == Process_Absent ->
      guest[h] = (stepOld[h] || guestOld[h] -> Guest_Lost : Guest_Crashed);
      guestOld[h] = 0
    :: else
    fi
  :: step[h] == Step_Copying && stepOld[h] && !settled[h] -> /* R5: whether to go forward is not decided here */
    guest[h] = Guest_Lost;
    guestOld[h] = 0;
    stateLost[h] = 1;
    writeStep(h, Step_Copying, 1)
  :: step[h] == Step_Suspending || (step[h] == Step_Copying && !stepOld[h] && !settled[h]) -> decideRollBack(h)
  :: step[h] == Step_HandedOver -> settled[h] = 1
  :: else
  fi
}

/* What the source does by itself, on the connection, or on an order. */
#define SOURCE_STEPS(h) \
  :: atomic { IS_SOURCE(h) && step[h] == Step_Prepared && ready[h] && !moving[h] && IS_WAITING_FOR_SOURCE(OTHER(h), id[h]) -> \
      moving[h] = 1; moving[OTHER(h)] = 1; ready[OTHER(h)] = 0 } \
  :: atomic { IS_SOURCE(h) && moving[h] && step[h] == Step_Prepared && guest[h] == Guest_Running -> \
      writeStep(h, Step_Suspending, 0); writeGuest(h, Guest_Suspended) } \
  :: atomic { IS_SOURCE(h) && moving[h] && step[h] == Step_Suspending && process[h] == Process_Running -> \
      process[h] = Process_Paused; pair[h] = 1 } \
  :: atomic { IS_SOURCE(h) && moving[h] && step[h] == Step_Suspending && process[h] == Process_Paused -> \
      writeStep(h, Step_Copying, 0) } \
  :: atomic { IS_SOURCE(h) && moving[h] && step[h] == Step_Copying && HEARS(saidLoaded, id[h]) -> \
      writeStep(h, Step_HandedOver, 0); writeGuest(h, Guest_HandedOver); saidHandedOver[id[h]] = 1 } \
  :: atomic { IS_SOURCE(h) && moving[h] && step[h] == Step_HandedOver && HEARS(saidRunning, id[h]) -> decideRelease(h) } \
  :: atomic { IS_SOURCE(h) && moving[h] && step[h] == Step_HandedOver -> moving[h] = 0; settled[h] = 1 } \
  :: atomic { IS_SOURCE(h) && IS_BEFORE_HAND_OVER(h) && !stateLost[h] -> decideRollBack(h) } \
  :: atomic { IS_SOURCE(h) && step[h] == Step_RolledBack && !settled[h] -> finishRollBack(h) } \
  :: atomic { IS_SOURCE(h) && step[h] == Step_Running && !settled[h] -> finishRelease(h) }

#define SOURCE_ORDERS(h, term) \
  :: atomic { IS_SOURCE(h) && ORDERED(ordersAbort, h, term) && IS_BEFORE_HAND_OVER(h) -> \
      highestTerm[h] = term; decideRollBack(h) } \
  :: atomic { IS_SOURCE(h) && ORDERED(ordersRelease, h, term) && MAY_RELEASE(h) -> \
      highestTerm[h] = term; decideRelease(h) } \
  :: atomic { IS_SOURCE(h) && ORDERED(ordersReclaim, h, term) && step[h] == Step_HandedOver -> \
      highestTerm[h] = term; reclaim(h) }

#define MAY_RELEASE(h) (step[h] == Step_HandedOver || (step[h] == Step_Running && settled[h]) \
  || (step[h] == Step_Copying && stateLost[h]))
