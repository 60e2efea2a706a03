// Package e2e holds tests alone: the built program, as separate processes, with
// real DNS servers, while agents are killed and frozen, servers restarted, records
// damaged by hand, Slack is away and lists of jobs are changed and broken.
package e2e
