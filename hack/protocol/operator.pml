/* Two operators, of terms 0 and 1; the second may take over at any time, and the first goes on without knowing. Each reads
 * the VM, then one side, then the other, and then acts: much may happen in between. What it says may arrive at any time.
 * src/controllers/virtualmachine/{virtualmachine-controller,decide,actor,migration-driver}.ts. */

mtype:stage = {
  Stage_Idle, Stage_ReadVM, Stage_ReadSource, Stage_ReadTarget, Stage_Restart, Stage_Elsewhere, Stage_Move, Stage_Moved,
  Stage_Migrate
};

byte heldEpoch; /* scratch */
bit isElected;        /* the operator of term 1 is there */
#define IS_THERE (term == 0 || isElected)
mtype:stage stage[2] = Stage_Idle;
mtype:source seenSource[2] = Source_Silent;
mtype:target seenTarget[2] = Target_Silent;
mtype:action action = Do_Wait;
bit isUnchanged[2];   /* the VM is as this operator has read it: its write by compare-and-swap will succeed */

#ifdef WITHOUT_R1
#define SWAPS(term) (true)
#else
#define SWAPS(term) (isUnchanged[term])
#endif

inline wroteVM() {
  isUnchanged[0] = 0;
  isUnchanged[1] = 0
}

/* Orders travel on connections to a host's agent: none is sent while there is none, and none outlives the host's boot. */
#ifdef WITHOUT_CONNECTIONS
#define IS_CONNECTED(h) (true)
#else
#define IS_CONNECTED(h) (on[h])
#endif
#define ORDER(orders, h, k, term) orders[k] = orders[k] | (IS_CONNECTED(h) << (term))

/* R1, R7: a grant is for one boot of its host. An agent refuses the start that was granted to another boot than its own. */
#ifdef WITHOUT_BOOT_IN_GRANT
#define IS_GRANT_OLD (false)
#else
#define IS_GRANT_OLD (grantOld)
#endif

inline orderStart(h, term) {
  if
  :: grantEpoch <= MAX_EPOCH && IS_CONNECTED(h) && !IS_GRANT_OLD -> ordersStart[h] = ordersStart[h] | START_BIT(grantEpoch, term)
  :: else
  fi
}

#define HIGHER_EPOCH(h) (epoch[h] > grantEpoch -> epoch[h] : grantEpoch)

/* A new grant, above every epoch that was used. */
inline give(aHost) {
  grantEpoch = HIGHER_EPOCH(aHost) + 1;
  grantHost = aHost;
  grantOld = !(on[aHost] && recordedBoot[aHost]);
  wroteVM()
}

inline letForget(aHost, aMigration, aTerm) {
  if
  :: ANSWERS(aHost) && id[aHost] == aMigration && TERM_ACCEPTED(aHost, aTerm) ->
    highestTerm[aHost] = aTerm;
    if
    :: HAS_ENDED(aHost) -> forgetMigration(aHost)
    :: else
    fi
  :: else
  fi
}

/* Records the end, then lets the agents forget: who holds the VM, and the grant under which. */
inline finish(k, result, term) {
  heldEpoch = (ANSWERS(SOURCE_OF(k)) && epoch[SOURCE_OF(k)] > migrationEpoch[k] -> epoch[SOURCE_OF(k)] : migrationEpoch[k]);
  if /* after a failure the target's epoch may have been used */
  :: result == Do_Failed && heldEpoch == migrationEpoch[k] -> heldEpoch++
  :: else
  fi;
  if
  :: result == Do_Succeeded ->
    succeeded[k] = 1;
    grantHost = TARGET_OF(k);
    grantEpoch = migrationEpoch[k] + 1
  :: else ->
    grantHost = SOURCE_OF(k);
    grantEpoch = heldEpoch
  fi;
  wroteVM();
  seen = 1;
  migration = 0;
  heldEpoch = 0;
  letForget(0, k, term);
  letForget(1, k, term)
}

/* The three calls of a preparation are waited for, so that they are taken to arrive at once or never. */
inline prepareBoth(k, term) {
  if
  :: MAY_PREPARE_SOURCE(SOURCE_OF(k), k) && TERM_ACCEPTED(SOURCE_OF(k), term) ->
    highestTerm[SOURCE_OF(k)] = term;
    prepareSource(SOURCE_OF(k), k)
  :: else
  fi;
  if
  :: MAY_PREPARE_TARGET(TARGET_OF(k), k) && TERM_ACCEPTED(TARGET_OF(k), term) ->
    highestTerm[TARGET_OF(k)] = term;
    prepareTarget(TARGET_OF(k), k)
  :: else
  fi
}

/* Sends what was decided. An abort before the hand-over may be sent at any time, see source.pml; this one is after a loss. */
inline act(k, action, term) {
  if
#ifdef WITH_LATE_PREPARE
  :: action == Do_Prepare -> ORDER(ordersPrepare, SOURCE_OF(k), k, term)
#else
  :: action == Do_Prepare -> prepareBoth(k, term)
#endif
  :: action == Do_AbortSource -> ORDER(ordersAbort, SOURCE_OF(k), k, term)
  :: action == Do_DiscardTarget -> ORDER(ordersDiscard, TARGET_OF(k), k, term)
  :: action == Do_ResumeTarget -> ORDER(ordersResume, TARGET_OF(k), k, term)
  :: action == Do_ReleaseSource -> ORDER(ordersRelease, SOURCE_OF(k), k, term)
  :: action == Do_SurrenderTarget -> ORDER(ordersSurrender, TARGET_OF(k), k, term)
  :: action == Do_ReclaimSource ->
    if /* a status that is as wanted already is not written, and so not compared */
    :: grantHost == SOURCE_OF(k) && grantEpoch == migrationEpoch[k] + 2 -> ORDER(ordersReclaim, SOURCE_OF(k), k, term)
    :: SWAPS(term) && !(grantHost == SOURCE_OF(k) && grantEpoch == migrationEpoch[k] + 2) ->
      grantHost = SOURCE_OF(k);
      grantEpoch = migrationEpoch[k] + 2;
      wroteVM();
      ORDER(ordersReclaim, SOURCE_OF(k), k, term)
    :: else
    fi
  :: action == Do_Succeeded || action == Do_RolledBack || action == Do_Failed ->
    if
    :: SWAPS(term) -> finish(k, action, term)
    :: else
    fi
  :: else
  fi
}

#define IS_ENDED_GUEST(h) (guest[h] == Guest_Stopped || guest[h] == Guest_Crashed || guest[h] == Guest_Lost)
#define IS_HELD_NOWHERE_ELSE(h) (guest[OTHER(h)] == Guest_None || IS_ENDED_GUEST(OTHER(h)))

/* What to do for a VM without a migration, by what the host that has its grant says. Idle is nothing. */
inline decideUnmoved(h, next) {
  next = Stage_Idle;
  if
  :: ANSWERS(h) && guest[h] == Guest_Running ->
    if
    :: !seen -> seen = 1; wroteVM()
    :: seen && lastMigration < MIGRATIONS -> next = Stage_Migrate
    :: else
    fi
  :: ANSWERS(h) && IS_ENDED_GUEST(h) -> next = Stage_Restart
  :: ANSWERS(h) && guest[h] == Guest_None && !seen -> next = Stage_Move
  :: ANSWERS(h) && guest[h] == Guest_None && !seen && IS_GRANT_OLD -> next = Stage_Restart
#ifdef WITHOUT_R1
  :: !ANSWERS(h) -> next = Stage_Elsewhere
#else
  :: !ANSWERS(h) && IS_GIVEN_UP(h) && ANSWERS(OTHER(h)) && IS_HELD_NOWHERE_ELSE(h) -> next = Stage_Elsewhere
#endif
  :: else
  fi
}

/* The host that was granted the VM, and has not got it, says durably that it never will (R1). */
inline surrenderGrant(h, term) {
  highestTerm[h] = term;
#ifdef WITHOUT_BURIED_GRANT
  guest[h] = Guest_None;
  epoch[h] = 0;
  current[h] = 0;
  clearHost(h)
#else
  bury(h, grantEpoch)
#endif
}

#ifdef WITHOUT_BURIED_GRANT
#define MAY_SURRENDER_GRANT(h) (!owned[h] && id[h] == 0)
#else
#define MAY_SURRENDER_GRANT(h) (guest[h] == Guest_None)
#endif

inline record(h) {
  lastMigration++;
  migration = lastMigration;
  from[migration] = h;
  migrationEpoch[migration] = epoch[h];
  wroteVM()
}

#ifdef WITHOUT_CLEARING_FAILED
#define MAY_CLEAR_SOURCE(h) (succeeded[id[h]])
#else
#define MAY_CLEAR_SOURCE(h) (true)
#endif

/* While the VM runs where its grant is: src/controllers/virtualmachine/leftovers.ts. */
inline clearLeftovers(h, term) {
  highestTerm[h] = term;
  if
  :: id[h] != 0 && HAS_ENDED(h) -> forgetMigration(h)
  :: id[h] != 0 && !HAS_ENDED(h) ->
    if
    :: isSource[h] && step[h] == Step_Prepared -> decideRollBack(h)
    :: isSource[h] && MAY_CLEAR_SOURCE(h) && MAY_RELEASE(h) -> decideRelease(h)
    :: !isSource[h] && !succeeded[id[h]] && MAY_DROP(h) -> decideDrop(h, Step_RolledBack)
    :: else
    fi
  :: id[h] == 0 && guest[h] != Guest_None && !owned[h] && epoch[h] < grantEpoch ->
    bury(h, epoch[h]);
    forsake(h);
    clearHost(h);
    guest[h] = Guest_None;
    guestOld[h] = 0;
    epoch[h] = 0
  :: else
  fi
}

#define MAY_CLEAR(h) (migration == 0 && grantHost == OTHER(h) && ANSWERS(h) && ANSWERS(OTHER(h)) \
  && guest[OTHER(h)] == Guest_Running && (id[h] != 0 || guest[h] != Guest_None))

/* At once, with the second reading: what was decided goes out on the connections on which it was read. */
inline decideAndSend(k, term) {
  if :: aborting = 0 :: aborting = 1 fi;
  if :: stalled = 0 :: stalled = 1 fi;
  idle = (stalled || (id[SOURCE_OF(k)] == k && settled[SOURCE_OF(k)]));
  nextAction(seenSource[term], seenTarget[term], aborting, stalled, idle, action);
  act(k, action, term)
}

proctype Operator(bit term) provided (!calm) {
  bit aborting, stalled, idle;
  byte k;
  bit h;
again:
  do
  :: atomic { term == 1 && !isElected -> isElected = 1 }
  :: atomic { stage[term] != Stage_Idle -> goto forget } /* it dies, or the call fails */

  :: atomic { IS_THERE && stage[term] == Stage_Idle && migration != 0 ->
      k = migration; isUnchanged[term] = 1; stage[term] = Stage_ReadVM }
  :: atomic { stage[term] == Stage_ReadVM -> readSource(SOURCE_OF(k), k, seenSource[term]); stage[term] = Stage_ReadSource }
  :: atomic { stage[term] == Stage_ReadVM -> readTarget(TARGET_OF(k), k, seenTarget[term]); stage[term] = Stage_ReadTarget }
  :: atomic { stage[term] == Stage_ReadSource -> readTarget(TARGET_OF(k), k, seenTarget[term]); decideAndSend(k, term); goto forget }
  :: atomic { stage[term] == Stage_ReadTarget -> readSource(SOURCE_OF(k), k, seenSource[term]); decideAndSend(k, term); goto forget }

  :: atomic { IS_THERE && stage[term] == Stage_Idle && migration == 0 ->
      h = grantHost; isUnchanged[term] = 1;
      if
      :: ANSWERS(h) && guest[h] == Guest_None && !seen -> orderStart(h, term)
      :: true
      fi;
      decideUnmoved(h, stage[term]);
      if
      :: stage[term] == Stage_Idle -> goto forget
      :: else
      fi }
  :: atomic { stage[term] == Stage_Restart && grantEpoch < MAX_EPOCH && HIGHER_EPOCH(h) < MAX_EPOCH ->
      if
      :: SWAPS(term) -> give(h); orderStart(h, term)
      :: else
      fi;
      goto forget }
  :: atomic { stage[term] == Stage_Elsewhere && grantEpoch < MAX_EPOCH ->
      if
      :: SWAPS(term) -> seen = 0; grantHost = OTHER(h); give(grantHost); orderStart(grantHost, term)
      :: else
      fi;
      goto forget }
  :: atomic { stage[term] == Stage_Move && ANSWERS(h) && MAY_SURRENDER_GRANT(h) && TERM_ACCEPTED(h, term) ->
      surrenderGrant(h, term); stage[term] = Stage_Moved }
  :: atomic { stage[term] == Stage_Moved && grantEpoch < MAX_EPOCH ->
      if
      :: SWAPS(term) -> seen = 0; grantHost = OTHER(h); give(grantHost); orderStart(grantHost, term)
      :: else
      fi;
      goto forget }
  :: atomic { stage[term] == Stage_Migrate ->
      if
      :: SWAPS(term) && lastMigration < MIGRATIONS && migration == 0 && epoch[h] + 2 < MAX_EPOCH -> record(h)
      :: else
      fi;
      goto forget }
  :: atomic { IS_THERE && stage[term] == Stage_Idle && MAY_CLEAR(0) && TERM_ACCEPTED(0, term) -> clearLeftovers(0, term) }
  :: atomic { IS_THERE && stage[term] == Stage_Idle && MAY_CLEAR(1) && TERM_ACCEPTED(1, term) -> clearLeftovers(1, term) }
  od;

forget:
  atomic {
    stage[term] = Stage_Idle; seenSource[term] = Source_Silent; seenTarget[term] = Target_Silent; action = Do_Wait;
    aborting = 0; stalled = 0; idle = 0; k = 0; h = 0;
    isUnchanged[term] = 0;
    goto again
  }
}
