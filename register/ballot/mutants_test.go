package ballot

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A mutant is a mistake that somebody could make, as an edit of the source.
type mutant struct {
	name     string
	file     string
	old, new string
}

var mutants = []mutant{
	{"no list between a ballot's beginning and its acceptance", "machine.go", "	o.me.said, o.first = o.writing, false\n", "	o.me.said, o.first = o.writing, false\n	if o.swap && o.sure && o.me.said.bal == 0 {\n		o.mine = o.me.label\n		return o.accept(version{slot: o.old.slot + 1, id: o.mine, texts: o.next})\n	}\n"},
	{"no list after the acceptance", "machine.go", "	o.me.said, o.first = o.writing, false\n", "	o.me.said, o.first = o.writing, false\n	if o.mine != \"\" && o.me.said.id == o.mine {\n		return o.finish(done, version{slot: o.me.said.slot, id: o.mine, texts: o.next})\n	}\n"},
	{"a higher ballot begun after the acceptance is ignored", "machine.go", "	case st.verdict == torn && o.mine != \"\":\n		return o.push(st, patienceOfSwap)", "	case st.verdict == torn && o.mine != \"\" && st.lead.id == o.mine:\n		return o.finish(done, st.lead)\n	case st.verdict == torn && o.mine != \"\":\n		return o.push(st, patienceOfSwap)"},
	{"a higher ballot proposes its own again", "machine.go", "	if o.leads(st) {\n		return o.accept(st.lead)", "	if o.leads(st) && o.mine != \"\" {\n		return o.accept(version{slot: st.slot, id: o.mine, texts: o.next})\n	}\n	if o.leads(st) {\n		return o.accept(st.lead)"},
	{"a higher ballot forgets what was accepted", "machine.go", "		s.bal, s.id, s.text, s.bare = was.bal, was.id, was.text, was.bare\n", "		s.text, s.bare = prev.texts, !o.knows(prev)\n"},
	{"an incarnation goes on after a lost write", "machine.go", "	o.me.retire()\n	if o.yielding", "	if o.yielding"},
	{"a lost acceptance was not applied", "machine.go", "	o.me.retire()\n	if o.yielding {\n		return o.finish(conflict, version{})\n	}\n", "	o.me.retire()\n	return o.finish(failed, version{})\n"},
	{"a swap that was overtaken conflicts, whatever was decided", "machine.go", "	case id == o.mine:\n		return o.finish(done", "	case id == \"\":\n		return o.finish(done"},
	{"a swap that was overtaken is done, whatever was decided", "machine.go", "	case id == o.mine:\n		return o.finish(done", "	case id != \"\":\n		return o.finish(done"},
	{"one list is enough", "machine.go", "	if !o.again || v.shaky || !v.equal(o.seen) {", "	if v.shaky {"},
	{"a Load takes what was accepted for decided", "machine.go", "		return o.push(st, patienceOfLoad)", "		return o.finish(done, st.lead)"},
	{"a Load takes what is not decided for refused", "machine.go", "		return o.push(st, patienceOfLoad)", "		return o.finish(done, st.prev)"},
	{"two ballots of one number are equal", "view.go", "	case st.top == st.best:\n", "	case st.top.n == st.best.n:\n"},
	{"the first acceptance counts, and not the highest", "view.go", "case o.bal > 0 && r.above(st.best):", "case o.bal > 0 && st.best == rank{}:"},
	{"a record of the highest slot is deleted", "view.go", "if o.slot < highest &&", "if o.slot <= highest &&"},
	{"a write is sent however long ago the look was", "claim.go", "return now-c.began <= c.send", "return true"},
	{"the settle time leaves out the time to send", "claim.go", "sum := send + effect + lag", "sum := effect + lag - send"},
	{"the settle time leaves out the time to take effect", "claim.go", "sum := send + effect + lag", "sum := send + lag"},
	{"a claim does not look again", "claim.go", "{ return claimStep{verb: claimLooks} }", "{ return claimStep{verb: claimEnds} }"},
	{"a conflict is settled by nobody's ballot", "machine.go", "		return o.push(st, patienceOfLoad)", "		return o.finish(failed, version{})"},
}

var violated = regexp.MustCompile(`(?m)^.*(?:searches|claim)_test\.go:\d+: (.+ states .+ s  \S.*)$`)

// TestMutants shows that each of the mistakes is caught, and by what: the algorithm
// and the explorer are compiled with it in a module of their own.
func TestMutants(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			put := func(name, text string) {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			put("go.mod", "module mutant\n\ngo 1.26.0\n")
			for _, name := range []string{"slip.go", "view.go", "machine.go", "explore_test.go", "claim.go", "explore_prop_test.go", "searches_test.go", "explore_claim_test.go", "norace_test.go"} {
				data, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				text := string(data)
				if name == m.file {
					if strings.Count(text, m.old) != 1 {
						t.Fatalf("%s holds what is to be edited %d times", name, strings.Count(text, m.old))
					}
					text = strings.Replace(text, m.old, m.new, 1)
				}
				put(name, text)
			}
			run := "^TestExplore$"
			if m.file == "claim.go" {
				run = "^TestExploreClaims$"
			}
			cmd := exec.Command("go", "test", "-vet=off", "-run="+run, "-explore.first", "-explore.states=60000", ".")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
			out, err := cmd.CombinedOutput()
			found := violated.FindSubmatch(out)
			if err == nil || found == nil {
				t.Fatalf("it is not caught (%v):\n%s", err, out)
			}
			t.Logf("%s", found[1])
		})
	}
}
