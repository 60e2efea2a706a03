// Package e2e holds tests alone: the built program, as separate processes, with
// real DNS servers, while agents are killed and frozen, servers restarted and
// records damaged by hand.
package e2e
