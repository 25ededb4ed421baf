/* Every migration ends: from every state that is reached, when nothing fails any more, hosts return or are given up, and the
 * operator of the highest term looks again and again, everything comes to rest soon, with the VM running in one place and
 * nothing left of a migration. Checked as a safety property: `Calm` can begin everywhere, runs without interruption,
 * and asserts. */

#define IS_AT_WORK(h) (up[h] && ( \
  moving[h] || (settled[h] == 0 && (step[h] == Step_RolledBack || step[h] == Step_Surrendered || step[h] == Step_Running)) \
  || guest[h] == Guest_Starting || (guest[h] == Guest_Running && process[h] == Process_Absent && (!owned[h] || isSource[h]))))

/* One thing that an agent does by itself. Connections have broken. */
inline work(h) {
  if
  :: moving[h] && isSource[h] && IS_BEFORE_HAND_OVER(h) -> decideRollBack(h)
  :: moving[h] && !isSource[h] && (step[h] == Step_Prepared || step[h] == Step_Copying) -> decideDrop(h, Step_RolledBack)
  :: moving[h] && (step[h] == Step_HandedOver || step[h] == Step_Loaded) -> moving[h] = 0; settled[h] = 1
  :: else ->
    moving[h] = 0;
    if
    :: isSource[h] && step[h] == Step_RolledBack && !settled[h] -> finishRollBack(h)
    :: isSource[h] && step[h] == Step_Running && !settled[h] -> finishRelease(h)
    :: id[h] != 0 && !isSource[h] && step[h] == Step_Running && !settled[h] -> finishResume(h)
    :: id[h] != 0 && !isSource[h] && (step[h] == Step_RolledBack || step[h] == Step_Surrendered) && !settled[h] -> finishDrop(h)
    :: else ->
      if
      :: guest[h] == Guest_Starting && process[h] == Process_Absent -> boot(h)
      :: guest[h] == Guest_Starting && process[h] != Process_Absent -> writeGuest(h, Guest_Running)
      :: guest[h] == Guest_Running && process[h] == Process_Absent -> writeGuest(h, Guest_Crashed)
      :: else
      fi
    fi
  fi
}

/* An order is sent and carried out, or refused. */
inline orderNow(k, action) {
  if
  :: action == Do_AbortSource && IS_SOURCE(SOURCE_OF(k)) && id[SOURCE_OF(k)] == k && IS_BEFORE_HAND_OVER(SOURCE_OF(k)) ->
    decideRollBack(SOURCE_OF(k))
  :: (action == Do_AbortTarget || action == Do_DiscardTarget) && IS_TARGET(TARGET_OF(k)) && MAY_DROP(TARGET_OF(k)) ->
    decideDrop(TARGET_OF(k), Step_RolledBack)
  :: action == Do_SurrenderTarget && MAY_DROP(TARGET_OF(k)) -> decideDrop(TARGET_OF(k), Step_Surrendered)
  :: action == Do_ResumeTarget && step[TARGET_OF(k)] == Step_Loaded -> decideResume(TARGET_OF(k))
  :: action == Do_ResumeTarget && IS_STUCK(TARGET_OF(k)) -> settled[TARGET_OF(k)] = 0
  :: action == Do_ReleaseSource && MAY_RELEASE(SOURCE_OF(k)) -> decideRelease(SOURCE_OF(k))
  :: action == Do_ReclaimSource && step[SOURCE_OF(k)] == Step_HandedOver ->
    grantHost = SOURCE_OF(k);
    grantEpoch = migrationEpoch[k] + 2;
    reclaim(SOURCE_OF(k))
  :: action == Do_Succeeded || action == Do_RolledBack || action == Do_Failed -> finish(k, action, 1)
  :: else
  fi
}

/* What a finished migration left at its source is aborted, or the guest could not be started. The VM of no migration is started where its grant is, or elsewhere when that host is given up. */
inline startNow() {
  if
#ifndef WITHOUT_ABORTING_FINISHED
  :: ANSWERS(grantHost) && isSource[grantHost] && IS_BEFORE_HAND_OVER(grantHost) -> decideRollBack(grantHost)
#endif
  :: ANSWERS(grantHost) && !owned[grantHost] && (IS_ENDED_GUEST(grantHost) || (guest[grantHost] == Guest_None && !seen)) ->
    grantEpoch = (HIGHER_EPOCH(grantHost)) + 1;
    start(grantHost, grantEpoch)
  :: IS_GIVEN_UP(grantHost) && !ANSWERS(grantHost) && ANSWERS(OTHER(grantHost)) && IS_HELD_NOWHERE_ELSE(grantHost) ->
    grantHost = OTHER(grantHost);
    seen = 0;
    grantEpoch = (HIGHER_EPOCH(grantHost)) + 1;
    start(grantHost, grantEpoch)
  :: else
  fi
}

inline returnOrGiveUp(h, isGivenUp) {
  if
  :: !on[h] && isGivenUp -> giveUp(h)
  :: else ->
    if
    :: !on[h] -> on[h] = 1; recordedBoot[h] = 0
    :: else
    fi;
    if
    :: !up[h] -> startAgent(h)
    :: else
    fi;
    if
    :: !recordedBoot[h] -> recordedBoot[h] = 1; outOfService[h] = 0
    :: else
    fi
  fi
}

#define IS_CLEAN(h) (!ANSWERS(h) || (id[h] == 0 && guest[h] == Guest_None && process[h] == Process_Absent))
#define IS_AT_REST (migration == 0 && ANSWERS(grantHost) && guest[grantHost] == Guest_Running \
  && process[grantHost] == Process_Running && !owned[grantHost] && IS_CLEAN(OTHER(grantHost)))
/* The ends are one state, so that there are not as many of them as there are states. */
inline forgetEverything() {
  k = 0;
  do
  :: k < 2 ->
    forgetMigration(k); clearHost(k); crashAgent(k);
    guest[k] = Guest_None; guestOld[k] = 0; epoch[k] = 0; owned[k] = 0; tombstone[k] = 0; highestTerm[k] = 0;
    on[k] = 0; current[k] = 0; mayFallBack[k] = 0; recordedBoot[k] = 0; outOfService[k] = 0; isUnchanged[k] = 0; ordersStart[k] = 0;
    stage[k] = Stage_Idle; seenSource[k] = Source_Silent; seenTarget[k] = Target_Silent; isGivenUp[k] = 0; k++
  :: else -> break
  od;
  k = 1;
  do
  :: k <= MIGRATIONS ->
    succeeded[k] = 0; from[k] = 0; migrationEpoch[k] = 0; saidLoaded[k] = 0; saidHandedOver[k] = 0; saidRunning[k] = 0;
    ordersPrepare[k] = 0; ordersAbort[k] = 0; ordersRelease[k] = 0; ordersReclaim[k] = 0;
    ordersDiscard[k] = 0; ordersResume[k] = 0; ordersSurrender[k] = 0; k++
  :: else -> break
  od;
  grantHost = 0; grantEpoch = 0; grantOld = 0; seen = 0; migration = 0; faults = 0; lastMigration = 0;
  k = 0; rounds = 0; action = Do_Wait
}

/* R7 */
#ifdef WITHOUT_R7
#define MAY_GIVE_UP(h) 0
#else
#define MAY_GIVE_UP(h) (!on[h])
#endif

#ifdef SAFETY_ONLY
#define MAY_CALM false
#else
#define MAY_CALM true
#endif

#define MAX_ROUNDS 40

proctype Calm() {
  byte k, rounds;
  bit isGivenUp[2];
  atomic {
    MAY_CALM ->
    calm = 1;
    isElected = 1;
    if :: isGivenUp[0] = 0 :: isGivenUp[0] = MAY_GIVE_UP(0) fi;
    if :: isGivenUp[1] = 0 :: isGivenUp[1] = MAY_GIVE_UP(1) && !isGivenUp[0] fi;
    d_step {
      returnOrGiveUp(0, isGivenUp[0]);
      returnOrGiveUp(1, isGivenUp[1]);
      do
      :: rounds < MAX_ROUNDS && !IS_AT_REST ->
        rounds++;
        if
        :: IS_AT_WORK(0) -> work(0)
        :: !IS_AT_WORK(0) && IS_AT_WORK(1) -> work(1)
        :: !IS_AT_WORK(0) && !IS_AT_WORK(1) && migration != 0 ->
          k = migration;
          readSource(SOURCE_OF(k), k, seenSource[0]);
          readTarget(TARGET_OF(k), k, seenTarget[0]);
          nextAction(seenSource[0], seenTarget[0], 1, 1, 1, action);
          orderNow(k, action)
        :: !IS_AT_WORK(0) && !IS_AT_WORK(1) && migration == 0 ->
          if
          :: MAY_CLEAR(0) -> clearLeftovers(0, 1)
          :: !MAY_CLEAR(0) && MAY_CLEAR(1) -> clearLeftovers(1, 1)
          :: else -> startNow()
          fi
        fi
      :: else -> break
      od;
      assert(IS_AT_REST); /* every migration ends */
      forgetEverything()
    };
    false
  }
}
