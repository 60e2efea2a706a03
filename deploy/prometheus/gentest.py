import re,sys
exec(open('gen.py').read())
rules={r[0]:r for r in O+A+B}
def q1(s): return "'"+s.replace("'","''")+"'"
tests=[]
# (comment, interval, series[(name,values)], checks[(time, alert, [ (labels,{value placeholders}) ])])
J='job="solotick-serve", instance="serve:8080"'
N='name="canary.example.com"'
def cond(c,vals,job='canary',name='canary.example.com',inst='serve:8080'):
    return (f'solotick_record_condition{{name="{name}", job="{job}", condition="{c}", instance="{inst}"}}',vals)
C={'name':'canary.example.com','job':'canary'}
S={'name':'canary.example.com','job':'solotick-serve'}
T=tests.append
T(("a job that is late for a while and then missed, as two observers see it; another one is fine","30s",[
  cond('late','0 0 1x6 0x60'),cond('missed','0x8 1x10 0x60'),cond('missed','0x8 1x10 0x60',inst='serve2:8080'),cond('late','0x60',job='other',name='other.example.com'),cond('missed','0x60',job='other',name='other.example.com')],
  [("2m","SolotickLate",[]),("3m30s","SolotickLate",[(C,{})]),("3m30s","SolotickMissed",[]),("6m","SolotickMissed",[(C,{})]),("6m","SolotickLate",[]),("12m","SolotickMissed",[])]))
T(("one failed run of a job that runs every minute, and then many; a claim goes on to say how the run before ended","30s",[
  (f'solotick_record_info{{{N}, agent="AAAAAAAAAA", last="ok", {J}}}','1x3 _x2 1x4 _x40'),
  (f'solotick_record_info{{{N}, agent="AAAAAAAAAA", last="failed", {J}}}','_x3 1x2 _x4 1x10 _x20'),
  (f'solotick_record_info{{{N}, agent="BBBBBBBBBB", last="timeout", {J}}}','_x19 1x20')],
  [("4m","SolotickFailing",[]),("12m","SolotickFailing",[(S,{})]),("4m30s","SolotickFailing",[])]))
T(("takeovers: two in an hour now and then, and three","1m",[
  (f'solotick_observed_takeovers_total{{{N}, {J}}}','0x30 1x20 2x70 2x60 3x10 4x10 5x40')],
  [("100m","SolotickTakeoverFlapping",[]),("215m","SolotickTakeoverFlapping",[(S,{})])]))
T(("a record that goes back: an event that is the first of its kind, a second one a day later, and the fence","1m",[
  (f'solotick_observed_events_total{{{N}, kind="rolled_back", {J}}}','_x10 1x130 2x20'),
  (f'solotick_observed_events_total{{{N}, kind="began", {J}}}','0+1x170'),
  (f'solotick_record_fence{{{N}, {J}}}','1772452800000+60000x10 1772449200000+60000x150'),
  ('solotick_record_fence{name="fine.example.com", '+J+'}','1772452800000+60000x160')],
  [("9m","SolotickRecordTampered",[]),("12m","SolotickRecordTampered",[({**S,'kind':'rolled_back'},{})]),("100m","SolotickRecordTampered",[]),("145m","SolotickRecordTampered",[({**S,'kind':'rolled_back'},{})]),
   ("9m","SolotickFenceWentBack",[]),("12m","SolotickFenceWentBack",[(S,{'$value':'1.77244926e+12'})]),("40m","SolotickFenceWentBack",[])]))
T(("a double claim","1m",[
  (f'solotick_observed_events_total{{{N}, kind="duplicate", {J}}}','_x10 1x200'),
  ('solotick_observed_events_total{name="fine.example.com", kind="takeover", '+J+'}','_x10 1x200')],
  [("9m","SolotickDuplicate",[]),("15m","SolotickDuplicate",[({**S,'kind':'duplicate'},{})]),("100m","SolotickDuplicate",[])]))
T(("a record that is away for a moment while agents write it anew, one that stays away, and one that is damaged","30s",[
  cond('absent','0x4 1x2 0x20',job='short',name='short.example.com'),cond('absent','0x4 1x20'),cond('damaged','0x4 1x20',job='broken',name='broken.example.com'),cond('damaged','0x4 1x2 0x20',job='short',name='short.example.com')],
  [("2m30s","SolotickRecordAbsent",[]),("6m","SolotickRecordAbsent",[(C,{})]),("2m30s","SolotickRecordDamaged",[]),("6m","SolotickRecordDamaged",[({'name':'broken.example.com','job':'broken'},{})])]))
T(("one record that no server tells of, while the others can be seen","1m",[
  cond('on_time','1x5 0x20'),cond('late','0x25'),cond('on_time','1x25',name='fine.example.com',job='fine'),
  (f'solotick_observer_questions_total{{outcome="answered", {J}}}','0+50x25'),(f'solotick_observer_questions_total{{outcome="failed", {J}}}','0x5 0+10x20')],
  [("10m","SolotickRecordUnseen",[]),("20m","SolotickRecordUnseen",[(C,{})]),("20m","SolotickObserverBlind",[])]))
T(("an observer that sees nothing: that is one alert and not one for each record","1m",[
  cond('on_time','1x5 0x20'),cond('on_time','1x5 0x20',name='other.example.com',job='other'),
  (f'solotick_observer_questions_total{{outcome="answered", {J}}}','0+60x5 300x20'),(f'solotick_observer_questions_total{{outcome="failed", {J}}}','0x5 0+60x20')],
  [("5m","SolotickObserverBlind",[]),("20m","SolotickObserverBlind",[({'instance':'serve:8080','job':'solotick-serve'},{'$value | humanizePercentage':'100%'})]),("20m","SolotickRecordUnseen",[])]))
RL='resolver="192.0.2.53"'
T(("a resolver that trails within its TTL, and one that does not","1m",[
  (f'solotick_resolver_behind_seconds{{{N}, resolver="192.0.2.1", {J}}}','60x20'),(f'solotick_resolver_ttl_seconds{{{N}, resolver="192.0.2.1", {J}}}','40x20'),
  (f'solotick_resolver_behind_seconds{{{N}, {RL}, {J}}}','0x5 600x20'),(f'solotick_resolver_ttl_seconds{{{N}, {RL}, {J}}}','60x25')],
  [("6m","SolotickResolverStale",[]),("15m","SolotickResolverStale",[({**S,'resolver':'192.0.2.53'},{'$value | humanizeDuration':'10m 0s'})])]))
T(("a resolver that does not answer","1m",[
  (f'solotick_resolver_up{{{N}, {RL}, {J}}}','1x5 0x30'),(f'solotick_resolver_up{{{N}, resolver="192.0.2.1", {J}}}','1x5 0x5 1x30')],
  [("15m","SolotickResolverDown",[]),("25m","SolotickResolverDown",[({**S,'resolver':'192.0.2.53'},{})])]))
T(("a pause that begins a day ago at the sixth minute, one that is younger, and a weekly job that is not paused","1m",[
  (f'solotick_record_paused{{{N}, {J}}}','1x20'),(f'solotick_record_written_timestamp_seconds{{{N}, {J}}}','-86040x20'),
  ('solotick_record_paused{name="short.example.com", '+J+'}','1x20'),('solotick_record_written_timestamp_seconds{name="short.example.com", '+J+'}','-3600x20'),
  ('solotick_record_paused{name="weekly.example.com", '+J+'}','0x20'),('solotick_record_written_timestamp_seconds{name="weekly.example.com", '+J+'}','-300000x20')],
  [("10m","SolotickPausedLong",[]),("14m","SolotickPausedLong",[(S,{'$value | humanizeDuration':'1d 0h 8m 0s'})])]))
T(("a fleet with too many records for a series each, and one without","1m",[
  ('solotick_records{condition="missed", '+J+'}','0x5 12x10'),('solotick_records{condition="on_time", '+J+'}','20000x5 19988x10'),('solotick_observer_records_left_out{'+J+'}','20000x15'),
  ('solotick_records{condition="missed", job="solotick-serve", instance="small:8080"}','2x15'),('solotick_observer_records_left_out{job="solotick-serve", instance="small:8080"}','0x15')],
  [("5m","SolotickFleetMissed",[]),("10m","SolotickFleetMissed",[({'instance':'serve:8080','job':'solotick-serve'},{'$value':'12'})])]))
T(("a probe that fails once, and one that goes on failing","1m",[
  ('probe_success{job="solotick-probe", instance="canary.example.com"}','1x5 0x10'),('probe_success{job="solotick-probe", instance="short.example.com"}','1x5 0 1x10'),('probe_success{job="blackbox", instance="https://example.com"}','0x20')],
  [("7m","SolotickProbeFailed",[]),("13m","SolotickProbeFailed",[({'job':'solotick-probe','instance':'canary.example.com'},{})])]))
# agents
a1='instance="web1:9090"'; a2='instance="web2:9090"'
T(("the next tick passes and nobody claims it; a paused job, and one that an observer sees, have no alert from agents","1m",[
  (f'solotick_next_tick_timestamp_seconds{{job="canary", {a1}}}','60 120 180 240x20'),(f'solotick_next_tick_timestamp_seconds{{job="canary", {a2}}}','60 60 180x20'),
  (f'solotick_paused{{job="canary", {a1}}}','0x20'),
  (f'solotick_next_tick_timestamp_seconds{{job="resting", {a1}}}','60x20'),(f'solotick_paused{{job="resting", {a1}}}','1x20'),
  (f'solotick_next_tick_timestamp_seconds{{job="watched", {a1}}}','60x20'),cond('missed','0x20',job='watched',name='watched.example.com')],
  [("5m","SolotickTickOverdue",[]),("10m","SolotickTickOverdue",[({'job':'canary'},{'$value | humanizeDuration':'6m 0s'})])]))
T(("runs that fail on one agent and are well on another, runs that all fail, and a job that was never well","1m",[
  (f'solotick_last_run_timestamp_seconds{{job="fine", {a1}}}','60+60x20'),(f'solotick_last_success_timestamp_seconds{{job="fine", {a1}}}','1x20'),
  (f'solotick_last_run_timestamp_seconds{{job="fine", {a2}}}','62+60x20'),(f'solotick_last_success_timestamp_seconds{{job="fine", {a2}}}','62+60x20'),
  (f'solotick_last_run_timestamp_seconds{{job="canary", {a1}}}','60+60x20'),(f'solotick_last_success_timestamp_seconds{{job="canary", {a1}}}','60 120 180x20'),
  (f'solotick_last_run_timestamp_seconds{{job="new", {a1}}}','60+60x20')],
  [("4m","SolotickRunsFailing",[]),("12m","SolotickRunsFailing",[({'job':'canary'},{}),({'job':'new'},{})])]))
T(("takeovers as agents count them: one agent each, three in all","1m",[
  (f'solotick_takeovers_total{{job="canary", {a1}}}','0x40 1x20 2x60'),(f'solotick_takeovers_total{{job="canary", {a2}}}','0x50 1x70'),(f'solotick_takeovers_total{{job="fine", {a2}}}','0x50 1x70')],
  [("55m","SolotickAgentsFlapping",[]),("70m","SolotickAgentsFlapping",[({'job':'canary'},{})])]))
T(("ticks that were left out, and run without the register","1m",[
  (f'solotick_ticks_total{{job="canary", outcome="passed", {a1}}}','_x10 4x100'),(f'solotick_ticks_total{{job="canary", outcome="unarbitrated", {a1}}}','_x10 2x100'),(f'solotick_ticks_total{{job="canary", outcome="run", {a1}}}','0+1x110')],
  [("9m","SolotickTicksPassed",[]),("15m","SolotickTicksPassed",[({'job':'canary','outcome':'passed'},{'$value | humanize':'4'})]),("100m","SolotickTicksPassed",[]),
   ("9m","SolotickUnarbitrated",[]),("15m","SolotickUnarbitrated",[({'job':'canary','outcome':'unarbitrated'},{'$value | humanize':'2'})]),("100m","SolotickUnarbitrated",[])]))
T(("writes that fail or end in doubt; conflicts are no errors","1m",[
  (f'solotick_swaps_total{{job="canary", outcome="done", {a1}}}','0+2x60'),(f'solotick_swaps_total{{job="canary", outcome="uncertain", {a1}}}','0x10 0+1x50'),
  (f'solotick_swaps_total{{job="fine", outcome="done", {a1}}}','0+2x60'),(f'solotick_swaps_total{{job="fine", outcome="conflict", {a1}}}','0+2x60')],
  [("12m","SolotickSwapErrors",[]),("55m","SolotickSwapErrors",[({'job':'canary','instance':'web1:9090'},{'$value | humanizePercentage':'33.33%'})])]))
T(("a register that one agent does not reach","1m",[
  (f'solotick_register_requests_total{{op="load", outcome="done", {a1}, job="solotick-agents"}}','0+3x10 30x30'),(f'solotick_register_requests_total{{op="load", outcome="unreached", {a1}, job="solotick-agents"}}','0x10 0+3x30'),
  (f'solotick_register_requests_total{{op="swap", outcome="done", {a2}, job="solotick-agents"}}','0+3x40'),(f'solotick_register_requests_total{{op="load", outcome="unreached", {a2}, job="solotick-agents"}}','0+1x40')],
  [("15m","SolotickRegisterAway",[]),("35m","SolotickRegisterAway",[({'job':'solotick-agents','instance':'web1:9090'},{'$value | humanizePercentage':'100%'})])]))
T(("a clock that is behind, and one that was for a moment","1m",[
  (f'solotick_clock_offset_seconds{{job="solotick-agents", {a1}}}','0x5 -90x20'),(f'solotick_clock_offset_seconds{{job="solotick-agents", {a2}}}','0x5 3x3 0.1x20')],
  [("10m","SolotickClockSkew",[]),("20m","SolotickClockSkew",[({'job':'solotick-agents','instance':'web1:9090'},{'$value | humanizeDuration':'1m 30s'})])]))
T(("a list of jobs that cannot be used","1m",[
  (f'solotick_config_last_reload_successful{{source="jobs_from", job="solotick-agents", {a1}}}','1x5 0x20'),(f'solotick_config_last_reload_successful{{source="file", job="solotick-agents", {a1}}}','1x25')],
  [("10m","SolotickConfigStale",[]),("20m","SolotickConfigStale",[({'job':'solotick-agents','instance':'web1:9090','source':'jobs_from'},{})])]))
T(("alerts of jobs that nobody took, and reports that were dropped","1m",[
  (f'solotick_alerts_total{{job="canary", outcome="failed", {a1}}}','_x10 1x60'),(f'solotick_alerts_total{{job="canary", outcome="accepted", {a1}}}','0+1x70'),
  (f'solotick_reports_total{{outcome="dropped", job="solotick-agents", {a1}}}','0x10 5x100'),(f'solotick_reports_total{{outcome="accepted", job="solotick-agents", {a1}}}','0+1x110')],
  [("9m","SolotickAlertUntold",[]),("15m","SolotickAlertUntold",[({'job':'canary','outcome':'failed'},{})]),("60m","SolotickAlertUntold",[]),
   ("9m","SolotickReportsDropped",[]),("70m","SolotickReportsDropped",[({'job':'solotick-agents','outcome':'dropped'},{'$value | humanize':'5'})]),("90m","SolotickReportsDropped",[])]))
T(("an agent that cannot be scraped, and another one that can","1m",[
  (f'up{{job="solotick-agents", {a1}}}','1x5 0x20'),(f'up{{job="solotick-agents", {a2}}}','1x25'),('up{job="node", instance="web1:9100"}','0x25'),
  (f'solotick_build_info{{version="1", goversion="go1.26", job="solotick-agents", {a2}}}','1x10 _x15')],
  [("7m","SolotickDown",[]),("15m","SolotickDown",[({'job':'solotick-agents','instance':'web1:9090'},{})]),
   ("10m","SolotickAbsent",[]),("24m","SolotickAbsent",[({},{})])]))
T(("series that Prometheus has renamed, and others","1m",[
  (f'solotick_ticks_total{{exported_job="canary", job="agents", outcome="run", {a1}}}','0+1x20')],
  [("5m","SolotickScrapeLabels",[]),("15m","SolotickScrapeLabels",[({},{})])]))
out=["# Unit tests of the alert rules: promtool test rules solotick.test.yml","rule_files: [solotick.rules.yml]","evaluation_interval: 1m","","tests:"]
def render(t,labels,vals):
    def f(m):
        e=m.group(1).strip()
        if e.startswith('$labels.'): return labels.get(e[8:],'')
        return vals[e]
    return re.sub(r'\{\{(.*?)\}\}',f,t)
for (c,iv,series,checks) in tests:
    out.append(f"  # {c[0].upper()+c[1:]}.")
    out.append(f"  - interval: {iv}")
    out.append("    input_series:")
    for n,v in series:
        out.append(f"      - series: {q1(n)}")
        out.append(f"        values: {q1(v)}")
    out.append("    alert_rule_test:")
    for (t,a,exp) in checks:
        r=rules[a]
        if not exp:
            out.append(f"      - {{ eval_time: {t}, alertname: {a}, exp_alerts: [] }}")
            continue
        out.append(f"      - eval_time: {t}")
        out.append(f"        alertname: {a}")
        out.append("        exp_alerts:")
        for labels,vals in exp:
            full={**labels,'severity':r[3]}
            out.append("          - exp_labels: { "+", ".join(f"{k}: {q1(v) if not re.fullmatch('[a-z_]+',v) else v}" for k,v in full.items())+" }")
            out.append("            exp_annotations:")
            out.append(f"              summary: {q1(render(r[4],labels,vals))}")
            out.append(f"              description: {q1(render(r[5],labels,vals))}")
            out.append(f"              runbook_url: {R}{a.lower()}")
open('solotick.test.yml','w').write("\n".join(out)+"\n")
