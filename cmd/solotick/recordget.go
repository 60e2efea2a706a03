package main

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

type recordDoc struct {
	Schema  string       `json:"schema"`
	Records []recordItem `json:"records"`
}

type recordItem struct {
	Name      string         `json:"name"`
	Error     string         `json:"error,omitempty"`
	State     string         `json:"state,omitempty"` // absent, present, damaged, unopenable
	Texts     []string       `json:"texts"`           // every TXT value, as it is
	Foreign   []string       `json:"foreign"`
	Fields    *recordFields  `json:"record,omitempty"`
	Extra     map[string]any `json:"unknown_keys,omitempty"`
	Detail    string         `json:"detail,omitempty"`
	Key       string         `json:"sealed_with,omitempty"` // the id of the key, as the value tells it
	Signed    bool           `json:"signed,omitempty"`      // it carries a signature
	Signer    string         `json:"signed_by,omitempty"`   // the id of the key by which that is good
	TTL       float64        `json:"ttl_seconds"`
	Server    string         `json:"server,omitempty"`
	Authority bool           `json:"authoritative"`
}

// recordFields are the keys of docs/protocol.md section 3, decoded.
type recordFields struct {
	ID       string        `json:"id"`
	Timer    int64         `json:"timer"`
	TimerOld int64         `json:"timerold"`
	EntryID  string        `json:"entryid,omitempty"`
	Seq      int64         `json:"seq"`
	Claimed  bool          `json:"claimed"`
	Until    int64         `json:"until,omitempty"`
	Lease    int64         `json:"lease,omitempty"`
	Try      int           `json:"try"`
	Last     record.Result `json:"last,omitempty"`
	Pause    int64         `json:"pause,omitempty"`
	Why      string        `json:"why,omitempty"`
	State    string        `json:"state,omitempty"`
}

func (a *app) recordCommand() *cobra.Command {
	c := group("record", "Look at records, and begin them afresh", a.recordGetCommand(), a.recordResetCommand())
	c.Long = recordKeys
	return c
}

func (a *app) recordGetCommand() *cobra.Command {
	var q query
	var asJSON, raw bool
	c := &cobra.Command{
		Use: "get [NAME...] [@server...]", Short: "Show records, as they are and decoded; asks DNS, needs no credentials",
		Long: `Show what DNS holds at names: every TXT value as it is, and what the record among
them says, key by key. A sealed one is opened with the keys of the file; --raw then
prints what is in it. A NAME with a dot is a DNS name; else it is a job of the file;
without names, all jobs of the file.`,
		Example: "  solotick record get canary.example.com\n  solotick record get --raw canary.example.com | jq .timer",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := q.parse(args); err != nil {
				return err
			}
			if raw && asJSON {
				return usage("--raw and --json: want one or the other")
			}
			sights, err := a.sights(cmd.Context(), &q)
			if err != nil {
				return err
			}
			return a.recordGet(cmd, sights, raw, asJSON)
		},
	}
	a.queryFlags(c, &q)
	c.Flags().BoolVar(&raw, "raw", false, "print only the text of the record, or the texts if there is none that can be read")
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) recordGet(cmd *cobra.Command, sights []sight, raw, asJSON bool) error {
	doc := recordDoc{Schema: "solotick.record/v1", Records: []recordItem{}}
	code := exitOK
	for _, s := range sights {
		doc.Records = append(doc.Records, itemOf(s))
		switch {
		case s.err != nil && asJSON:
			code = exitCode(s.err)
		case s.err != nil:
			code = a.end(cmd, s.err)
		case asJSON:
		case raw:
			a.recordRaw(s)
		default:
			a.recordLong(s)
		}
		if s.err == nil && s.Set.State != record.Present {
			code = max(code, exitFailed)
		}
	}
	if asJSON {
		if err := a.json(doc); err != nil {
			return err
		}
	}
	return exit(code)
}

func itemOf(s sight) recordItem {
	item := recordItem{
		Name: s.name, Texts: s.Answer().Texts, Foreign: s.Set.Foreign,
		TTL: s.Answer().TTL.Seconds(), Server: s.Answer().Server.Addr, Authority: s.Answer().Authoritative,
	}
	if item.Texts == nil {
		item.Texts = []string{}
	}
	if item.Foreign == nil {
		item.Foreign = []string{}
	}
	if s.err != nil {
		item.Error = s.err.Error()
		return item
	}
	item.State = s.Set.State.String()
	item.Key, item.Signed, item.Signer = s.Set.Protection.Sealed, s.Set.Protection.Signed, s.Set.Protection.Signer
	if s.Set.Detail != nil {
		item.Detail = s.Set.Detail.Error()
	}
	if s.Set.State == record.Present {
		r := s.Set.Record
		item.Fields = fieldsOf(r)
		if r.Extra != "" {
			_ = json.Unmarshal([]byte("{"+r.Extra+"}"), &item.Extra) // Parse has checked it
		}
	}
	return item
}

func fieldsOf(r record.Record) *recordFields {
	return &recordFields{r.ID, r.Timer, r.TimerOld, r.EntryID, r.Seq, r.Claimed, r.Until, r.Lease, r.Attempt(), r.Last, r.Pause, r.Why, r.State}
}

// recordRaw prints texts byte for byte, save on a terminal, which they could
// take over.
func (a *app) recordRaw(s sight) {
	texts := s.Answer().Texts
	switch {
	case s.Set.State == record.Present && s.Set.Protection.Sealed != "":
		texts = []string{s.Set.Record.String()}
	case s.Set.State == record.Present:
		texts = []string{s.Text()}
	}
	for _, t := range texts {
		if isTerminal(a.stdout) {
			t = plain(t)
		}
		a.sayf("%s\n", t)
	}
}

func (a *app) recordLong(s sight) {
	now := time.Now()
	a.sayf("%s  %s\n", s.name, a.paint(a.stdout, neutral, "asked "+s.serverName()))
	for _, t := range s.Answer().Texts {
		a.sayf("  %s\n", strconv.QuoteToGraphic(t))
	}
	a.notes(slices.Concat(s.Notes(), s.Others()))
	r := s.Set.Record
	if s.Set.State != record.Present {
		a.sayf("  %s\n", map[record.State]string{
			record.Absent: "no record", record.Damaged: "the record is damaged", record.Unopenable: "the record is sealed",
		}[s.Set.State])
		if s.ring != nil && s.Set.Detail != nil {
			a.sayf("  %v\n", s.Set.Detail)
		}
		return
	}
	if by := s.Set.Protection; by != (record.Protection{}) {
		a.sayf("  %s\n", protectionWords(by))
	}
	for _, k := range monitor.Keys(r) {
		meaning := k.Meaning
		if k.At != 0 {
			meaning = moment(k.At, now) + ", " + meaning
		}
		a.sayf("  %-9s %-18s %s\n", plain(k.Name), plain(k.Value), meaning)
	}
}
