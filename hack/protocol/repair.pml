/* What the operator reads of both sides, and decides from it: src/controllers/virtualmachine/repair.ts, state by state. */

mtype:source = {
  Source_Silent, Source_GivenUp, Source_Nothing, Source_Unprepared, Source_Prepared, Source_Moving, Source_Gone,
  Source_GoneUnrecorded, Source_RollingBack, Source_HandedOver, Source_HandedOverGone, Source_ToldRunning, Source_Released,
  Source_RolledBack
};
mtype:target = {
  Target_Silent, Target_GivenUp, Target_Nothing, Target_Preparing, Target_Loaded, Target_LoadFailed, Target_LoadedGone,
  Target_Resuming, Target_Running, Target_Stuck, Target_Dropping, Target_RolledBack, Target_Surrendered
};
mtype:action = {
  Do_Wait, Do_Prepare, Do_AbortSource, Do_AbortTarget, Do_DiscardTarget, Do_ResumeTarget, Do_ReleaseSource, Do_SurrenderTarget,
  Do_ReclaimSource, Do_Succeeded, Do_RolledBack, Do_Failed
};

/* One that cannot load what it voted for is asked again for a while, and then to give it up. */
#ifdef WITHOUT_LOAD_FAILED
#define TARGET_LOAD_FAILED Target_Loaded
#else
#define TARGET_LOAD_FAILED Target_LoadFailed
#endif

/* `running` is in its journal, and it may still fail to go on. */
#ifdef WITHOUT_WAITING_FOR_RESUME
#define TARGET_RESUMING Target_Running
#else
#define TARGET_RESUMING Target_Resuming
#endif

/* An agent is believed when its boot is the recorded one. */
#define ANSWERS(h) (up[h] && recordedBoot[h])

inline readSource(h, k, view) {
  if
  :: !ANSWERS(h) -> view = (IS_GIVEN_UP(h) -> Source_GivenUp : Source_Silent)
  :: ANSWERS(h) && (id[h] != k || !isSource[h]) ->
    if
    :: guest[h] == Guest_None -> view = Source_Nothing
    :: guest[h] == Guest_Lost || guest[h] == Guest_Crashed -> view = Source_GoneUnrecorded
    :: guest[h] == Guest_Suspended || guest[h] == Guest_HandedOver -> view = Source_Moving
    :: else -> view = Source_Unprepared
    fi
  :: ANSWERS(h) && id[h] == k && isSource[h] ->
    if
    :: step[h] == Step_RolledBack -> view = (settled[h] -> Source_RolledBack : Source_RollingBack)
    :: step[h] == Step_Released -> view = Source_Released
    :: step[h] == Step_Running -> view = Source_ToldRunning
    :: step[h] == Step_HandedOver -> view = Source_HandedOver
    :: IS_BEFORE_HAND_OVER(h) && (guest[h] == Guest_Lost || guest[h] == Guest_Crashed) -> view = Source_Gone
    :: else -> view = (step[h] == Step_Prepared -> Source_Prepared : Source_Moving)
    fi
  fi
}

inline readTarget(h, k, view) {
  if
  :: !ANSWERS(h) -> view = (IS_GIVEN_UP(h) -> Target_GivenUp : Target_Silent)
  :: ANSWERS(h) && (id[h] != k || isSource[h]) ->
    view = (guest[h] == Guest_Running -> Target_Running : Target_Nothing)
  :: ANSWERS(h) && id[h] == k && !isSource[h] ->
    if
    :: step[h] == Step_Loaded && stateLost[h] -> view = Target_LoadedGone
    :: step[h] == Step_Loaded && !stateLost[h] -> view = (loadFailed[h] -> TARGET_LOAD_FAILED : Target_Loaded)
    :: step[h] == Step_Running && guest[h] == Guest_Suspended -> view = Target_Stuck
    :: step[h] == Step_Running && guest[h] != Guest_Suspended -> view = (settled[h] -> Target_Running : TARGET_RESUMING)
    :: step[h] == Step_RolledBack && settled[h] -> view = Target_RolledBack
    :: step[h] == Step_Surrendered && settled[h] -> view = Target_Surrendered
    :: (step[h] == Step_RolledBack || step[h] == Step_Surrendered) && !settled[h] -> view = Target_Dropping
    :: else -> view = Target_Preparing
    fi
  fi
}

#define IS_GONE(s) (s == Source_Nothing || s == Source_Gone || s == Source_GoneUnrecorded || s == Source_GivenUp)

inline nextAction(s, t, aborting, stalled, idle, action) {
  if
  :: t == Target_Stuck -> action = Do_ResumeTarget
  :: t == Target_Resuming -> action = (stalled -> Do_ResumeTarget : Do_Wait)
  :: t == Target_Dropping && !stalled -> action = Do_Wait
  :: else ->
    if
    :: s == Source_Silent ->
      /* When the target holds it, a source that is silent for long is not waited for. */
      action = (t == Target_Running && stalled -> Do_Succeeded : Do_Wait)
    :: s == Source_RollingBack -> action = (stalled -> Do_AbortSource : Do_Wait)
    :: IS_GONE(s) -> withoutSource(s, t, stalled, action)
    :: s == Source_Unprepared || s == Source_Prepared -> beforeStart(s, t, aborting, action)
    :: s == Source_Moving -> whileMoving(t, aborting, stalled, idle, action)
    :: s == Source_HandedOver || s == Source_HandedOverGone -> afterHandOver(s, t, stalled, idle, action)
    :: s == Source_ToldRunning ->
      action = (idle && (t == Target_Running || t == Target_GivenUp) -> Do_ReleaseSource : Do_Wait)
    :: s == Source_Released -> action = (t == Target_Loaded || t == Target_LoadFailed -> Do_ResumeTarget : Do_Succeeded)
    :: s == Source_RolledBack -> afterRollBack(t, action)
    fi
  fi
}

inline withoutSource(s, t, stalled, action) {
  if
#ifdef WITHOUT_R5
  :: t == Target_Loaded -> action = Do_DiscardTarget
#else
  :: t == Target_Loaded -> action = Do_ResumeTarget
#endif
  :: t == Target_Running -> action = (s == Source_Gone -> Do_ReleaseSource : Do_Succeeded)
  :: t == Target_LoadFailed -> action = (stalled -> Do_SurrenderTarget : Do_ResumeTarget)
  :: t == Target_LoadedGone -> action = Do_SurrenderTarget
  :: t == Target_Preparing -> action = Do_AbortTarget
  :: t == Target_Silent -> action = Do_Wait
  :: t == Target_Dropping -> action = Do_DiscardTarget
  :: else -> action = (s == Source_Gone -> Do_AbortSource : Do_Failed)
  fi
}

inline beforeStart(s, t, aborting, action) {
  if
  :: t == Target_Running -> action = Do_Wait
  :: (t == Target_Nothing || t == Target_Preparing) && !aborting -> action = Do_Prepare
  :: else ->
    if
    :: s == Source_Prepared -> action = Do_AbortSource
    :: else -> afterRollBack(t, action)
    fi
  fi
}

inline whileMoving(t, aborting, stalled, idle, action) {
  if
  :: t == Target_Running -> action = Do_Wait
  :: t != Target_Running && (aborting || (idle && !stalled)) -> action = Do_AbortSource
  :: else ->
    if
    :: stalled && (t == Target_Nothing || t == Target_LoadedGone || t == Target_RolledBack || t == Target_Surrendered) ->
      action = Do_AbortSource
    :: else -> action = Do_Wait
    fi
  fi
}

inline afterHandOver(s, t, stalled, idle, action) {
  if
  :: t == Target_Loaded -> action = (idle -> Do_ResumeTarget : Do_Wait)
  :: t == Target_Running -> action = (idle -> Do_ReleaseSource : Do_Wait)
  :: t == Target_LoadFailed -> action = (stalled -> Do_SurrenderTarget : Do_ResumeTarget)
  :: t == Target_LoadedGone -> action = Do_SurrenderTarget
  :: t == Target_GivenUp || t == Target_Surrendered || t == Target_RolledBack ->
    action = (s == Source_HandedOver -> Do_ReclaimSource : Do_Failed)
#ifdef WITHOUT_R6
  /* A target that does not answer will hardly run it. */
  :: t == Target_Silent -> action = Do_ReclaimSource
#endif
  :: else -> action = Do_Wait
  fi
}

inline afterRollBack(t, action) {
  if
  :: t == Target_Dropping || t == Target_Loaded || t == Target_LoadFailed || t == Target_LoadedGone -> action = Do_DiscardTarget
  :: t == Target_Preparing -> action = Do_AbortTarget
  :: t == Target_Running -> action = Do_Wait
  :: else -> action = Do_RolledBack
  fi
}
