package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/config"
)

// jobFlags are the keys of a job in the file that "exec" takes as flags.
var jobFlags = []struct{ key, usage string }{
	{"every", "the interval, such as 60s"},
	{"cron", `or a cron expression, such as "*/5 7-19 * * MON-FRI"`},
	{"time_zone", "of the cron expression (default UTC)"},
	{"offset", "of the interval's ticks (default: follows from the name)"},
	{"record", "DNS name of the record (default: the name, in the zone)"},
	{"timeout", "of one run"},
	{"attempts", "runs of one tick that may fail"},
	{"takeovers", "runs of one tick that may be lost, beyond that"},
	{"guarantee", "at-least-once or at-most-once"},
	{"catch_up", "missed ticks: once, none or all"},
	{"start_deadline", "with --catch-up none: how late a tick may start"},
	{"overlap", "a tick that falls due during a run: wait, skip or replace"},
	{"without_register", "while the register is away: dns, always or wait"},
	{"outage_after", "how long it has to be away for that"},
	{"affinity", "incumbent or none"},
	{"lease", "how long a claim lasts"},
	{"kill_grace", "from TERM to KILL"},
	{"skew", "between any two agents' clocks"},
	{"head_start", "what the incumbent gets"},
	{"spread", "over which all others are spread"},
	{"poll", "an idle agent looks at least this often"},
	{"output", "of the command: raw, prefixed or quiet"},
}

// dnsFlags are those for the section dns.
var dnsFlags = []struct{ flag, key, usage string }{
	{"zone", "zone", "the zone that holds the record"},
	{"server", "server", "its primary server, HOST[:PORT]"},
	{"tsig-file", "tsig", "the file with the TSIG key"},
	{"ttl", "ttl", "of the record"},
}

// keyFlags are those for the sections seal and sign.
var keyFlags = []struct{ flag, usage string }{
	{"seal-key", "`FILE`s with keys that seal the record; the first one writes, all read"},
	{"sign-key", "`FILE` with the key that signs the record"},
}

func addKeyFlags(fl *pflag.FlagSet) {
	fl.StringArray(keyFlags[0].flag, nil, keyFlags[0].usage)
	fl.String(keyFlags[1].flag, "", keyFlags[1].usage)
}

func flagOf(key string) string { return strings.ReplaceAll(key, "_", "-") }

type execFlags struct {
	file, name string
	once       bool
	quiet      bool
	weaker     bool
	log        logFlags
}

func (a *app) execCommand() *cobra.Command {
	var f execFlags
	c := &cobra.Command{
		Use:   "exec --name NAME --every 60s [flags] -- COMMAND ARG...",
		Short: "One job from the command line, no file",
		Long: `Run one job as "run" does, told by flags instead of a file. Where its record is
is told by --zone, --server and --tsig-file, or by the dns section of a file; how it is
sealed and signed, by --seal-key and --sign-key, or by that file.

With --once: run the job if it is due, with the command's own exit code (128+n
after signal n), and else end with 0. A record that is claimed is watched for the
claim's lease and a margin first: it may come free or be taken over; 75 if it is
still claimed then. With --quiet that is not told, so that cron mails nobody about
it; all else is. For crontabs, systemd timers and scripts.`,
		Example: "  solotick exec --name canary --every 60s --zone example.com --server ns1.example.com --tsig-file /etc/solotick/solotick.key -- ./check.sh --fast\n" +
			"  * * * * * solotick exec --once --quiet --name canary --every 60s -c /etc/solotick/solotick.yaml -- /usr/local/bin/check",
		RunE: func(cmd *cobra.Command, args []string) error { return a.exec(cmd, f, args) },
	}
	fl := c.Flags()
	fl.SortFlags = false
	fl.StringVar(&f.name, "name", "", "name of the job")
	for _, j := range jobFlags[:3] {
		fl.String(flagOf(j.key), "", j.usage)
	}
	fl.BoolVar(&f.once, "once", false, "run it if it is due, then end")
	fl.BoolVar(&f.quiet, "quiet", false, "with --once: say nothing when another agent is running it")
	for _, d := range dnsFlags {
		fl.String(d.flag, "", d.usage)
	}
	addKeyFlags(fl)
	fl.StringVarP(&f.file, "config", "c", "", "a file whose sections dns, seal and sign are used (default: as for run, unless --zone is given)")
	for _, j := range jobFlags[3:] {
		fl.String(flagOf(j.key), "", j.usage)
	}
	weakerFlag(c, &f.weaker)
	f.log.add(c)
	return c
}

func (a *app) exec(cmd *cobra.Command, f execFlags, args []string) error {
	if cmd.ArgsLenAtDash() != 0 || len(args) == 0 {
		return usage("the command is missing: it stands behind --, as in: -- ./job.sh --fast")
	}
	if f.quiet && !f.once {
		return usage("--quiet is for --once: without it there are only the lines of the log, see --log-level")
	}
	c, secret, err := a.execConfig(cmd.Flags(), f, args)
	if err != nil {
		return err
	}
	svc, err := openService(c.DNS)
	if err != nil {
		return err
	}
	if err := a.mayStart(svc, f.weaker); err != nil {
		return err
	}
	if f.once && !cmd.Flags().Changed("log-level") {
		f.log.level = "warn" // the command's own output is what matters
	}
	log, err := a.logger(f.log)
	if err != nil {
		return err
	}
	warnOfKeys(log, svc, c)
	id, err := solotick.NewID(c.Agent.ID)
	if err != nil {
		return configFailure(err)
	}
	to, err := svc.connect()
	if err != nil {
		return err
	}
	m := memberOf(c, c.Jobs[0], svc)
	log.Info("solotick "+buildInfo().Version, "agent", id, "job", m.Name, "record", m.Record, "provider", svc.dns.Provider, "class", svc.class.String())
	fleet := newFleet(id, log, a.stdout, a.stderr)
	fleet.grace, fleet.svc, fleet.file = c.Agent.Grace, svc, a.placePath(cmd.Flags(), f.file)
	fleet.hide(secret, svc)
	if err := a.outlets(c, fleet, nil, log); err != nil {
		return err
	}
	if f.once {
		err := a.once(cmd.Context(), fleet, m, to)
		if f.quiet && errors.Is(err, errClaimed) {
			return exit(exitTryAgain)
		}
		return err
	}
	crews, err := fleet.prepare([]member{m}, to)
	if err != nil {
		return configFailure(err)
	}
	ctx, sig := a.signals(cmd.Context())
	defer sig.stop()
	fleet.apply(ctx, crews)
	return exit(fleet.keep(ctx, sig, func(bool) []*crew { return nil }))
}

// execConfig makes a file of the flags, so that both are judged by the same
// rules, and takes the sections dns, agent, seal and sign from a real one, which knows what is
// secret, unless --zone is given.
func (a *app) execConfig(flags *pflag.FlagSet, f execFlags, argv []string) (c, secret *config.Config, err error) {
	if f.name == "" {
		return nil, nil, usage("--name is missing: agents of one job have the same name")
	}
	job := map[string]any{"exec": argv}
	for _, j := range jobFlags {
		take(job, flags, flagOf(j.key), j.key)
	}
	if job["output"] == nil {
		job["output"] = "raw" // with one job nobody has to be told apart
	}
	from, at, err := a.place(flags, f.file)
	if err != nil {
		return nil, nil, err
	}
	c, err = madeConfig(f.name, "--name "+f.name, job, at)
	if err != nil {
		return nil, nil, err
	}
	if from != nil {
		c.DNS, c.Agent, c.Ring, c.KeyFiles = from.DNS, from.Agent, from.Ring, from.KeyFiles
		if job["head_start"] == nil {
			c.Jobs[0].HeadStart = max(c.Jobs[0].HeadStart, c.DNS.Lag())
		}
	}
	return c, cmp.Or(from, c), nil
}

// place is where the flags say that the record is, and how it is protected: the
// sections of a file about that, and the file that has better ones, if it is told
// by one.
func (a *app) place(flags *pflag.FlagSet, file string) (from *config.Config, at map[string]any, err error) {
	dns := map[string]any{}
	at = map[string]any{"dns": dns}
	for _, d := range dnsFlags {
		take(dns, flags, d.flag, d.key)
	}
	dns["provider"] = "rfc2136"
	switch {
	case dns["zone"] == nil && len(dns) > 1:
		return nil, nil, usage("--zone is missing: with --server and --tsig-file it says where the record is")
	case dns["zone"] == nil:
		path, err := a.configPath(file)
		if err != nil {
			var f *failure
			if errors.As(err, &f) {
				f.do = "name the file with -c, or say where the record is by --zone, --server and --tsig-file"
			}
			return nil, nil, err
		}
		if from, err = config.LoadPlace(path); err != nil {
			return nil, nil, configFailure(err)
		}
		dns["zone"], dns["server"], dns["tsig"] = from.DNS.Zone, "192.0.2.1", "${env:-:-placeholder:c29sb3RpY2s=}" // the last two are not looked at
		for _, k := range keyFlags {
			if flags.Changed(k.flag) {
				return nil, nil, usage("--%s goes with --zone: the sections seal and sign of %s say what protects its records", k.flag, path)
			}
		}
		return from, at, nil
	case file != "":
		return nil, nil, usage("-c and --zone both say where the record is: take one")
	}
	if err := missing(dns); err != nil {
		return nil, nil, err
	}
	if path, ok := dns["tsig"].(string); ok {
		if dns["tsig"], err = filepath.Abs(path); err != nil { // a file may not hold a relative one, a command line may
			return nil, nil, err
		}
	}
	if err := takeKeys(at, flags); err != nil {
		return nil, nil, err
	}
	return nil, at, nil
}

// takeKeys makes the sections seal and sign of the flags.
func takeKeys(at map[string]any, flags *pflag.FlagSet) error {
	from := func(path string) (string, error) {
		abs, err := filepath.Abs(path)
		if err != nil || strings.ContainsAny(abs, "{}") {
			return "", usage("%q: a key's file cannot have { or } in its name", path)
		}
		return "${file:" + abs + "}", nil
	}
	if files, _ := flags.GetStringArray("seal-key"); len(files) > 0 {
		var keys []string
		for _, path := range files {
			k, err := from(path)
			if err != nil {
				return err
			}
			keys = append(keys, k)
		}
		at["seal"] = map[string]any{"keys": keys}
	}
	if path, _ := flags.GetString("sign-key"); path != "" {
		k, err := from(path)
		if err != nil {
			return err
		}
		at["sign"] = map[string]any{"key": k}
	}
	return nil
}

// placePath is the file that tells place; empty: the flags do.
func (a *app) placePath(flags *pflag.FlagSet, file string) string {
	if flags.Changed("zone") {
		return ""
	}
	path, _ := a.configPath(file) // who asked place knows the error
	return path
}

// madeConfig is a file of one job that was made of flags. In mistakes the job is
// called as on the command line.
func madeConfig(name, called string, job, at map[string]any) (*config.Config, error) {
	at["version"], at["jobs"] = 1, map[string]any{name: job}
	text, err := json.Marshal(at)
	if err != nil {
		return nil, err
	}
	c, err := config.Parse("the command line", text)
	if err != nil {
		return nil, flagMistakes(err, name, called)
	}
	return c, nil
}

// missing names the flags that --zone cannot do without.
func missing(dns map[string]any) error {
	var lines []string
	for _, d := range dnsFlags {
		if dns[d.key] == nil && (d.key == "server" || d.key == "tsig") {
			lines = append(lines, "--"+d.flag+" is missing: "+d.usage)
		}
	}
	if lines == nil {
		return nil
	}
	return usage("%s", strings.Join(lines, "\n"))
}

// take puts a flag, if it was given, into a section of the file.
func take(section map[string]any, flags *pflag.FlagSet, flag, key string) {
	f := flags.Lookup(flag)
	if f == nil || !f.Changed {
		return
	}
	section[key] = strings.ReplaceAll(f.Value.String(), "${", "$${")
	if n, err := strconv.Atoi(f.Value.String()); err == nil && (key == "attempts" || key == "takeovers") {
		section[key] = n
	}
}

// flagMistakes words the mistakes of a file that was made of flags.
func flagMistakes(err error, name, called string) error {
	var all config.Diagnostics
	if !errors.As(err, &all) {
		return usage("%w", err)
	}
	var lines []string
	for _, d := range all {
		line := d.Message
		switch key, inJob := strings.CutPrefix(d.Path, "jobs."+name+"."); {
		case inJob:
			line = "--" + flagOf(key) + ": " + line
		case d.Path == "dns.tsig":
			line = "--tsig-file: " + line
		case strings.HasPrefix(d.Path, "seal."):
			line = "--seal-key: " + line
		case strings.HasPrefix(d.Path, "sign."):
			line = "--sign-key: " + line
		case strings.HasPrefix(d.Path, "dns."):
			line = "--" + strings.TrimPrefix(d.Path, "dns.") + ": " + line
		case strings.HasPrefix(d.Path, "jobs."):
			line = called + ": " + line
		}
		if d.Hint != "" {
			line += " (" + d.Hint + ")"
		}
		lines = append(lines, line)
	}
	return usage("%s", strings.Join(lines, "\n"))
}
