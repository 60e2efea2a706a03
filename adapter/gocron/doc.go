// Package gocronadapter has gocron v2 run each tick of a job on one machine.
//
// [Add] is for the common case: it adds an agent's job to a scheduler, at the ticks of
// the agent's schedule, and gives the job its tick, its fence and a context that ends
// before anybody else may run it. [Locker] is for jobs that are there already, and
// [Elector] for a scheduler that is to run everything on one machine.
//
// # Which tick a call is for
//
// gocron asks its Locker for a lock by the job's name alone, and holds it for as long
// as the job runs. A locker that grants that keeps two machines from running the job at
// one time, and lets all of them run it one after another: whoever comes a moment later,
// since its clock is behind, finds the lock free again. So a Locker here does not
// lend locks. It has an agent for each job, whose record says which tick comes
// next, and whose schedule says when; a call is for the tick nearest to it by the
// register's time, and is refused if that was claimed, however short the job was
// and whatever this machine's clock says. That is exact while clocks differ by less
// than half an interval (30 s at most); beyond, a tick may run late, and still once.
//
// The schedule of the agent has to be the job's own: with a finer one, two
// calls for one run of the job are calls for two ticks. [Cron] has gocron follow it, with
//
//	gocron.CronJob("", false), gocron.WithCronImplementation(gocronadapter.Cron(s))
//
// and Add does that by itself. A name without an agent is refused, and not run.
//
// # What cannot be had
//
// A Locker cannot be told that the job failed: the record says ok. It cannot give the
// job its context, so the job has to ask [Locker.Held] for it. A run that was lost because its machine
// died is run again with the next call, and not earlier: an agent of its own (solotick.Agent.Run) takes
// over within a lease, retries, and makes up for missed ticks, and needs no other scheduler.
//
// An Elector is asked once for each run and knows neither job nor tick. Within the differences
// of the clocks around a change of leader a tick may be run by both leaders or by none.
package gocronadapter
