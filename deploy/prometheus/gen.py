R="https://github.com/solotick/solotick/blob/main/docs/prometheus.md#"
def q(s): return '"'+s.replace('\\','\\\\').replace('"','\\"')+'"'
def fresh(metric, window, sel, agg="max without (instance)", f="increase"):
    m=f'{metric}{{{sel}}}'
    return f'''{agg} (increase({m}[{window}])) > 0.5
or
{agg} ({m} unless {m} offset {window}) > 0'''
groups=[]
O=[
("SolotickMissed",'max without (instance, condition) (solotick_record_condition{condition="missed"}) == 1',"30s","critical",
 "{{ $labels.name }} has missed ticks","Nobody has run {{ $labels.name }} for more than a tick: no agent lives, or none reaches the register."),
("SolotickLate",'max without (instance, condition) (solotick_record_condition{condition="late"}) == 1',"2m","warning",
 "{{ $labels.name }} is late","A run of {{ $labels.name }} should have begun, or been taken over, and was not."),
("SolotickFailing",'max without (instance, agent, last) (solotick_record_info{last=~"failed|timeout|lost"}) == 1',"5m","warning",
 "{{ $labels.name }} is failing","For five minutes the record of {{ $labels.name }} has said of the latest run that it failed, ran into its timeout or was lost."),
("SolotickTakeoverFlapping",'max without (instance) (increase(solotick_observed_takeovers_total[1h])) > 2.5',"","warning",
 "{{ $labels.name }} changes hands too often","Three runs of {{ $labels.name }} or more were taken over within an hour: agents vanish amid their runs, or cannot reach the register."),
("SolotickRecordTampered",fresh("solotick_observed_events_total","1h",'kind=~"damaged|foreign|future|gone|rolled_back"'),"","critical",
 "the record of {{ $labels.name }} was tampered with: {{ $labels.kind }}","Within the last hour the record of {{ $labels.name }} vanished, was damaged, went back, spoke of the future, or was written by something that is no agent."),
("SolotickDuplicate",fresh("solotick_observed_events_total","1h",'kind="duplicate"'),"","critical",
 "{{ $labels.name }} was claimed twice for one attempt","Within the last hour two agents claimed the same attempt at a tick of {{ $labels.name }}: the register does not keep what it promises, or somebody wrote by hand."),
("SolotickFenceWentBack",'max without (instance) (solotick_record_fence < max_over_time(solotick_record_fence[15m]))',"","critical",
 "the fence of {{ $labels.name }} went back","The seq of {{ $labels.name }} is {{ $value }}, and was greater within the last 15 minutes: somebody restored the record, or the zone."),
("SolotickRecordAbsent",'max without (instance, condition) (solotick_record_condition{condition="absent"}) == 1',"2m","critical",
 "{{ $labels.name }} has no record","There is no record at {{ $labels.name }}: no agent has started yet, somebody removed it, or the name is wrong."),
("SolotickRecordDamaged",'max without (instance, condition) (solotick_record_condition{condition=~"damaged|sealed"}) == 1',"2m","critical",
 "the record of {{ $labels.name }} cannot be read","What stands at {{ $labels.name }} cannot be read, or is sealed. Agents replace what is damaged once it stayed so for a lease."),
("SolotickRecordUnseen",'''max without (instance) (sum without (condition) (solotick_record_condition)) == 0
unless on ()
(sum (rate(solotick_observer_questions_total{outcome="failed"}[5m])) / sum (rate(solotick_observer_questions_total[5m])) > 0.5)''',"10m","warning",
 "{{ $labels.name }} cannot be seen","No DNS server has told anything about {{ $labels.name }} for ten minutes, while others can be seen."),
("SolotickObserverBlind",'''sum without (outcome) (rate(solotick_observer_questions_total{outcome="failed"}[5m]))
/
sum without (outcome) (rate(solotick_observer_questions_total[5m]))
> 0.5''',"5m","critical",
 "the observer {{ $labels.instance }} sees little or nothing","{{ $value | humanizePercentage }} of the looks of {{ $labels.instance }} at records are not answered. What it tells about them is not known to be true any more."),
("SolotickResolverStale",'max without (instance) (solotick_resolver_behind_seconds > solotick_resolver_ttl_seconds + 30)',"5m","warning",
 "{{ $labels.resolver }} shows an old record of {{ $labels.name }}","What {{ $labels.resolver }} shows of {{ $labels.name }} is {{ $value | humanizeDuration }} older than the newest record, which is longer than its TTL allows."),
("SolotickResolverDown",'max without (instance) (solotick_resolver_up) == 0',"15m","warning",
 "{{ $labels.resolver }} does not answer for {{ $labels.name }}","The server {{ $labels.resolver }} has not answered questions about {{ $labels.name }} for 15 minutes. Others have, or there would be another alert."),
("SolotickPausedLong",'max without (instance) (time() - solotick_record_written_timestamp_seconds > 86400 and solotick_record_paused == 1)',"5m","info",
 "{{ $labels.name }} has been paused for {{ $value | humanizeDuration }}","An operator paused {{ $labels.name }} over a day ago. Nothing runs until somebody resumes it, or the pause is over."),
("SolotickFleetMissed",'''sum without (condition) (solotick_records{condition=~"missed|absent|damaged|failing"}) > 0
and on (instance)
solotick_observer_records_left_out > 0''',"2m","critical",
 "{{ $value }} jobs are missed, failing, or without a record","{{ $labels.instance }} watches too many records to have series for each. Its page says which ones it is about."),
("SolotickProbeFailed",'probe_success{job=~"solotick.*"} == 0',"5m","critical",
 "the probe of {{ $labels.instance }} fails","For five minutes DNS has shown no record at {{ $labels.instance }} that can be read, or has not answered."),
]
seen='unless on (job) max by (job) (solotick_record_condition{job!=""})'
def isn(metric,window,sel):
    m=f'{metric}{{{sel}}}'
    return f'''sum without (instance) (increase({m}[{window}])) > 0.5
or
sum without (instance) ({m} unless {m} offset {window}) > 0'''
A=[
("SolotickTickOverdue",f'''(
  time() - max without (instance) (solotick_next_tick_timestamp_seconds) > 60
  unless max without (instance) (solotick_paused) == 1
)
{seen}''',"2m","warning",
 "a tick of {{ $labels.job }} is overdue","All agents show that a tick of {{ $labels.job }} was due {{ $value | humanizeDuration }} ago and has not been claimed: none reaches the register, or the run before it still goes on."),
("SolotickRunsFailing",f'''(
  max without (instance) (solotick_last_run_timestamp_seconds) > max without (instance) (solotick_last_success_timestamp_seconds)
  or
  max without (instance) (solotick_last_run_timestamp_seconds) unless max without (instance) (solotick_last_success_timestamp_seconds)
)
{seen}''',"5m","warning",
 "runs of {{ $labels.job }} fail","The latest run of {{ $labels.job }} on any agent did not end well, and none has since."),
("SolotickAgentsFlapping",f'''sum without (instance) (increase(solotick_takeovers_total[1h])) > 2.5
{seen}''',"","warning",
 "{{ $labels.job }} changes hands too often","Agents have taken over three runs of {{ $labels.job }} or more within an hour from others that vanished."),
("SolotickTicksPassed",isn("solotick_ticks_total","1h",'outcome="passed"'),"","warning",
 "ticks of {{ $labels.job }} were left out","About {{ $value | humanize }} ticks of {{ $labels.job }} were coalesced or skipped within the last hour: an outage, a pause, or a job that takes longer than its interval."),
("SolotickUnarbitrated",isn("solotick_ticks_total","1h",'outcome="unarbitrated"'),"","warning",
 "{{ $labels.job }} was run without the register","Agents have run about {{ $value | humanize }} ticks of {{ $labels.job }} within the last hour without the register, and several may have run the same one."),
("SolotickSwapErrors",'''sum without (outcome) (rate(solotick_swaps_total{outcome=~"uncertain|failed"}[30m]))
/
sum without (outcome) (rate(solotick_swaps_total[30m]))
> 0.2''',"10m","warning",
 "writes of {{ $labels.instance }} to the record of {{ $labels.job }} go wrong","{{ $value | humanizePercentage }} of the writes of {{ $labels.instance }} to the record of {{ $labels.job }} fail, or end in doubt."),
("SolotickRegisterAway",'''sum without (op, outcome) (rate(solotick_register_requests_total{outcome=~"refused|unreached|uncertain"}[10m]))
/
sum without (op, outcome) (rate(solotick_register_requests_total[10m]))
> 0.5''',"10m","critical",
 "{{ $labels.instance }} does not reach the register","{{ $value | humanizePercentage }} of the requests of {{ $labels.instance }} to the register fail. It runs nothing, but as without_register says."),
("SolotickClockSkew",'abs(solotick_clock_offset_seconds) > 2',"10m","warning",
 "the clock of {{ $labels.instance }} is off","The clock of {{ $labels.instance }} is {{ $value | humanizeDuration }} off from that of the register. Nothing breaks by it; set it."),
("SolotickConfigStale",'solotick_config_last_reload_successful == 0',"10m","warning",
 "{{ $labels.instance }} goes on with an old definition","The newest definition of the jobs ({{ $labels.source }}) cannot be used by {{ $labels.instance }}, which goes on with the one before."),
("SolotickAlertUntold",isn("solotick_alerts_total","30m",'outcome="failed"'),"","warning",
 "people could not be told of an alert of {{ $labels.job }}","Messages about alerts of {{ $labels.job }} were not accepted within the last half hour. They are due again with the next run."),
("SolotickReportsDropped",isn("solotick_reports_total","1h",'outcome="dropped"'),"","info",
 "reports of runs were dropped","About {{ $value | humanize }} reports of runs were dropped within the last hour. The page has less to show; the runs are not affected."),
]
B=[
("SolotickAbsent",'absent(solotick_build_info)',"5m","critical",
 "no agent and no observer of Solotick is scraped","Prometheus has seen nothing of Solotick for five minutes: nothing of it runs, or none of it can be reached from here."),
("SolotickDown",'up{job=~"solotick.*"} == 0',"5m","warning",
 "{{ $labels.instance }} cannot be scraped","{{ $labels.instance }} of {{ $labels.job }} does not answer. If it is an agent, others run its jobs."),
("SolotickScrapeLabels",'count (solotick_ticks_total{exported_job!=""} or solotick_record_condition{exported_job!=""})',"10m","info",
 "Solotick is scraped without honor_labels","Series of Solotick have a label exported_job: rules and dashboard take the label job for the job's name, which needs honor_labels: true in the scrape configuration."),
]
out=["# Alert rules for Solotick. What each means and what to do: docs/prometheus.md.",
"#",
"# The label job is the job of Solotick, so scrape with honor_labels: true, as in",
"# prometheus.yml beside this file. Two observers of the same records make one alert.",
"groups:"]
def group(name,comment,rules):
    out.append("")
    for c in comment: out.append("  # "+c)
    out.append(f"  - name: {name}")
    out.append("    rules:")
    for (n,e,f,s,summ,desc) in rules:
        out.append(f"      - alert: {n}")
        if "\n" in e:
            out.append("        expr: |")
            for l in e.split("\n"): out.append("          "+l)
        else:
            out.append(f"        expr: {e}" if not any(c in e for c in ':#') else f"        expr: {e}")
        if f: out.append(f"        for: {f}")
        out.append(f"        labels: {{ severity: {s} }}")
        out.append("        annotations:")
        out.append(f"          summary: {q(summ)}")
        out.append(f"          description: {q(desc)}")
        out.append(f"          runbook_url: {R}{n.lower()}")
group("solotick-records",["What an observer sees of records: solotick serve, at /metrics or /probe."],O)
group("solotick-agents",["What agents tell of themselves, at agent.listen. That a job is overdue, fails or flaps","is left to an observer where one sees that job."],A)
group("solotick-scrapes",["Whether there is anything that would tell."],B)
open("solotick.rules.yml","w").write("\n".join(out)+"\n")
