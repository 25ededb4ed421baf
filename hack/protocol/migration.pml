/*
 * The migration protocol of docs/migration-protocol.md as a model, for `spin`. One VM, two hosts.
 *
 * MIGRATIONS     how many may be recorded one after another (1 or 2)
 * MAX_EPOCH      no new grant is given above this epoch (at most 7)
 * MAX_FAULTS     how many crashes of agents, hosts and processes, at any moment; what is said is lost or late without limit
 * OPERATORS      1, or 2 of different terms at once
 * PLACED         1: the VM runs on host 0 at the start; 0: it is granted to it, and nobody has started it yet
 * STATE_ON_DISK  1: what a target voted for outlives its host's boot; 0: state lands in RAM
 * WITHOUT_R1 … WITHOUT_R7, WITHOUT_R10 and others in test/integration/protocol-model.test.ts leave out a rule
 */
#ifndef MIGRATIONS
#define MIGRATIONS 1
#endif
#ifndef MAX_EPOCH
#define MAX_EPOCH 4
#endif
#ifndef STATE_ON_DISK
#define STATE_ON_DISK 0
#endif

#ifndef MAX_FAULTS
#define MAX_FAULTS 2
#endif
#ifndef OPERATORS
#define OPERATORS 1
#endif
#ifndef PLACED
#define PLACED 1
#endif

#include "state.pml"
#include "agent.pml"
#include "faults.pml"
#include "repair.pml"
#include "operator.pml"
#include "calm.pml"

init {
  atomic {
#if PLACED
    guest[0] = Guest_Running; process[0] = Process_Running; current[0] = 1; epoch[0] = 1; seen = 1;
#endif
    run Agent(0);
    run Agent(1);
    run Fate(0);
    run Fate(1);
    run Operator(0);
#if OPERATORS > 1
    run Operator(1);
#endif
    run Calm()
  }
}
