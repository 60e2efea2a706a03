package main

import "github.com/spf13/cobra"

// topics are texts of solotick help that belong to no single command.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "How commands end", Long: exitCodesTopic},
		{Use: "environment", Short: "What commands get, and what solotick takes, by environment", Long: environmentTopic},
		{Use: "expressions", Short: "What if:, expect: and {{ }} in the file know", Long: expressionsTopic},
		{Use: "files", Short: "Where solotick looks for what", Long: filesTopic},
	}
}

const exitCodesTopic = `How commands end:

  0    ok
  1    failed; of status: something is bad
  2    the command line is wrong
  69   DNS, or the register, cannot be reached
  75   try again: exec --once or lock found a claim whose holder is alive
  77   refused: by the server, or by the command itself, as trigger is while the job
       is paused
  78   the file is wrong, or names a zone that the server does not serve

Commands that run yours, exec --once, lock and elect, end with its code, or with 128
and the number of the signal that ended it. exec --once ends with 0 if nothing was due.

solotick check is a plugin of Nagios, and ends as these do: 0 ok, 1 warning, 2
critical, 3 unknown, and with nothing else.`

const environmentTopic = `What a command of a job gets:

  SOLOTICK_JOB           the job's name
  SOLOTICK_TICK          the tick, in epoch seconds: the same for every attempt, so
                         what a job should be idempotent by
  SOLOTICK_ATTEMPT       1, and one more for each run of this tick that failed or was lost
  SOLOTICK_FENCE         a number that only ever grows: who remembers the greatest can
                         reject a stale run; empty if unarbitrated
  SOLOTICK_AGENT         the agent's id
  SOLOTICK_DEADLINE      when the run is ended at the latest, in epoch seconds, if known
  SOLOTICK_LAST          how the run before ended: ok, failed, timeout, lost, replaced,
                         skipped
  SOLOTICK_UNARBITRATED  1: run without the register, others may run this tick too
  SOLOTICK_STATE         what the job left behind in its latest run, on whichever agent
  SOLOTICK_STATE_OUT     a file; what is in it at the end (96 bytes at most, readable by
                         anybody in DNS) is the next run's SOLOTICK_STATE
  TRACEPARENT            the run's trace, as W3C Trace Context has it

Under lock and elect there are SOLOTICK_LOCK, the record's name, the fence, the agent
and the deadline, and none of the others.

A notifier exec: gets SOLOTICK_ALERT, SOLOTICK_KIND, SOLOTICK_SEVERITY, SOLOTICK_TITLE,
SOLOTICK_TEXT, SOLOTICK_SINCE (epoch second) and SOLOTICK_KEY, which is the same for the
beginning and the end of an alert.

What solotick itself takes:

  SOLOTICK_CONFIG        the file, where -c does not tell it
  NO_COLOR               if not empty, no colour, where --color does not tell it
  NOTIFY_SOCKET          where systemd is told that the agent is ready
  SOURCE_DATE_EPOCH      the date of manual pages, in epoch seconds

Any value of the file may be taken from there, as ${env:NAME} or ${env:NAME:-default}.`

const expressionsTopic = `The language is expr (https://expr-lang.org/docs/language-definition): in if: and
expect: as it is, in texts between {{ and }}. All of it is compiled when the file is
read, so a misspelt name is a mistake in the file. What it knows:

  steps.ID.status .headers .json .text .tries   of http; headers in small letters
  steps.ID.code .json .text                     of exec
  steps.ID.firing .told                         of alert
  steps.ID.ran .ok .error .took                 of each step; took in seconds
  job record agent                              names
  tick timer at                                 this tick and the next one in epoch
                                                seconds; this one as a time
  attempt fence last unarbitrated               as SOLOTICK_ATTEMPT and so on
  state                                         what the job left behind
  since kind                                    in the texts of an alert
  step error result                             in the texts of on_failure

In a step's own expect: the names stand without steps.ID. What may be missing is
written a?.b, with ?? and what stands in its place:

  if: any(steps.backups.json?.items ?? [], .age_h > 24)
  expect: status == 200 && json.state == "ok"
  text: "{{ len(steps.backups.json.items) }} failed at {{ at.Format('15:04') }}"

An expression has at most 4,096 bytes; its evaluation may take about a second and 32
MiB. More is in docs/automation.md.`

const filesTopic = `The file, solotick.yaml, is looked for in this order:

  -c FILE                       on the command line
  $SOLOTICK_CONFIG              in the environment
  ./solotick.yaml               in the working directory
  /etc/solotick/solotick.yaml

Agents keep nothing on disk: what they agree on is in the record. These files are
written only where they are named:

  agent.events in the file      what the agent reads, decides and writes
  serve --data                  what the page has seen
  zone serve --data             the zones of the embedded DNS server

Secrets belong into files of their own, which the file names as ${file:/path}, or into
the environment, as ${env:NAME}.`

// recordKeys is what solotick help record and the page of the record tell.
const recordKeys = `A record is a JSON object in a DNS TXT record, in 255 bytes where possible, which
agents replace only as a whole, and only if nobody else has meanwhile:

  {"id":"VDNDNQNWQY","timer":1641903970,"timerold":1641903910,
   "seq":1641903910000,"until":1641903925,"lease":15,"last":"ok"}

  id            the agent that made the latest claim: random letters, fresh for each
                process, behind a name if agent.id: gives one
  timer         the next tick, a retry or a trigger, in epoch seconds
  timerold      the latest tick that was claimed; 0: none yet
  seq           grows with every write, and never falls: the fence
  until, lease  only during a run: about when the claim lapses, in epoch seconds,
                and its length in seconds, which is what agents go by
  try           the attempt of the latest tick; absent: 1
  last          how the latest run ended: ok, failed, timeout, lost, replaced, skipped
  pause, why    of a paused job: when it goes on, -1 for never, and why
  state         a short text of the job's own, from run to run
  entryid       of agents of 2022: kept, never needed

Other keys are kept. docs/protocol.md has the whole.`
