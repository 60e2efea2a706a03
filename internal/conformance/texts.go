package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A sample is a text that has to come back as it was, or several.
type sample struct {
	what      string
	essential bool
	texts     []string
	do        string // what to do where it does not
}

const sampleRecord = `{"id":"VDNDNQNWQY","timer":1641903970,"timerold":1641903910,"seq":1641903910000,"until":1641903925,"lease":15,"last":"ok"%s}`

// What to do where a text does not survive.
const (
	doShort   = "keep records within 255 octets: no long state, no long reason of a pause"
	doPlain   = "let jobs write only letters, digits and spaces to SOLOTICK_STATE_OUT, and give no other reason of a pause"
	doOwnName = "give each job a name at which nothing else is"
)

func samples() []sample {
	plain := fmt.Sprintf(sampleRecord, "")
	full := fmt.Sprintf(sampleRecord, `,"state":"%s"`)
	full = fmt.Sprintf(full, strings.Repeat("s", 255-len(full)+len("%s")))
	one := func(text string) []string { return []string{text} }
	return []sample{
		{"a record", true, one(plain), ""},
		{"a record of 255 octets", true, one(full), ""},
		{"a sealed record", true, one("st1.a1b2c3d4." + strings.Repeat("Zm9v_-8", 34) + "AA-_"), ""},
		{"several values", false, []string{plain, "v=spf1 -all", "another"}, doOwnName},
		{"254 octets", false, one(strings.Repeat("x", 254)), doShort},
		{"256 octets", false, one(strings.Repeat("x", 256)), doShort},
		{"a sealed and signed record", false, one("st1.a1b2c3d4." + strings.Repeat("Zm9v_-8A", 62)), "seal or sign records there, and not both"},
		{"512 octets", false, one(strings.Repeat("0123456789abcdef", 32)), doShort},
		{"1000 octets", false, one(strings.Repeat("0123456789", 100)), doShort},
		{"quotes", false, one(`"quoted" and "" twice`), doPlain},
		{"backslashes", false, one(`\ \\ \" \065 \n \`), doPlain},
		{"a record with a state in JSON", false, one(fmt.Sprintf(sampleRecord, `,"state":"{\"n\":1}"`)), doPlain},
		{"semicolons and other marks", false, one("a;semicolon (parenthesis) $ @ ' # = , % & < >"), doPlain},
		{"spaces", false, one("  before, between   and after  "), doPlain},
		{"letters beyond ASCII", false, one("grüße, 你好, ✓"), doPlain},
		{"octets that are no letters", false, one("\x00\x01\x7f\x80\xff"), doOwnName},
	}
}

// few are those of the samples that are tried where each takes long.
var few = []string{"a record", "several values", "512 octets", "a record with a state in JSON", "letters beyond ASCII"}

// texts sees which texts come back byte for byte.
func (r *run) texts(ctx context.Context) error {
	var lost, do []string
	failed := false
	for _, s := range samples() {
		if r.report.Slow && !slices.Contains(few, s.what) {
			continue
		}
		found, err := r.survives(ctx, s.texts)
		if err != nil {
			return err
		}
		r.report.Texts = append(r.report.Texts, Text{What: s.what, Essential: s.essential, OK: found == "", Found: found})
		if found == "" {
			continue
		}
		failed = failed || s.essential
		lost = append(lost, s.what+": "+found)
		if s.do != "" && !slices.Contains(do, s.do) {
			do = append(do, s.do)
		}
	}
	n := len(r.report.Texts)
	switch {
	case failed:
		r.tell(checkTexts, Failed, "agents cannot keep their records there", "%d of %d kinds of text did not come back as they were: %s", len(lost), n, strings.Join(lost, "; "))
	case lost != nil:
		r.tell(checkTexts, Advice, strings.Join(do, "; "), "records come back byte for byte, but %d of %d kinds of text do not: %s", len(lost), n, strings.Join(lost, "; "))
	default:
		r.tell(checkTexts, Passed, "", "all of %d kinds of text come back byte for byte: quotes, backslashes, several values, 1000 octets, any octet", n)
	}
	return nil
}

// survives puts texts there and says what becomes of them; empty: nothing.
func (r *run) survives(ctx context.Context, texts []string) (string, error) {
	wait := newWait(patience)
	for try := 0; ; try++ {
		after, err := r.swap(ctx, r.own, r.at, texts)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if err == nil {
			s, err := r.shown(ctx, texts)
			if err != nil {
				return "", err
			}
			r.may(s.Texts) // altered or not, it may show again
			if err := r.reload(ctx); err != nil {
				return "", err
			}
			switch {
			case !same(s.Texts, texts):
				return fmt.Sprintf("it became %s", short(s.Texts)), nil
			case !same(after.Texts, texts):
				return fmt.Sprintf("the result of the swap was %s", short(after.Texts)), nil
			}
			return "", nil
		}
		if err := r.reload(ctx); err != nil {
			return "", err
		}
		if same(r.at.Texts, texts) {
			return "", nil
		}
		// A service that wants fewer requests is asked again; one that does not
		// take the text says so at once.
		throttled := r.subject.Throttled != nil && r.subject.Throttled(err)
		if try >= 3 && !throttled || !wait.more(ctx) {
			return fmt.Sprintf("it was not taken: %v", err), nil
		}
	}
}

// short is what texts hold, for people.
func short(texts []string) string {
	const most = 60
	var all []string
	for _, t := range texts {
		if len(t) > most {
			all = append(all, fmt.Sprintf("%q... of %d octets", t[:most], len(t)))
			continue
		}
		all = append(all, fmt.Sprintf("%q", t))
	}
	if all == nil {
		return "nothing"
	}
	return strings.Join(all, " and ")
}
