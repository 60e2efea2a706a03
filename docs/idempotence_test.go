package docs_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestIdempotence has a database do what docs/explanation/at-least-once.md says: of two
// attempts at a tick one inserts its row, and a run with a smaller fence changes nothing.
func TestIdempotence(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("explanation/at-least-once.md")
	if err != nil {
		t.Fatal(err)
	}
	var statements []string
	for _, m := range regexp.MustCompile("(?ms)^```sql\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		statements = append(statements, m[1])
	}
	if len(statements) != 2 {
		t.Fatalf("the page has %d statements", len(statements))
	}
	for _, c := range []struct{ name, tables, statement, values, want string }{
		{
			"by tick", "CREATE TABLE done (job, tick, PRIMARY KEY (job, tick));", statements[0],
			"canary 60|canary 60|canary 120|report 60", "1 0 1 1",
		},
		{
			"by fence", "CREATE TABLE target (id, value, fence); INSERT INTO target VALUES (1, 'x', 0);", statements[1],
			"a 5|b 7|c 5|d 7|e 8", "1 1 0 1 1",
		},
	} {
		script := c.tables + "\n"
		for _, v := range strings.Split(c.values, "|") {
			text, number, _ := strings.Cut(v, " ")
			for _, set := range []string{"job '" + text + "'", "value '" + text + "'", "tick " + number, "fence " + number, "id 1"} {
				name, value, _ := strings.Cut(set, " ")
				script += ".parameter set :" + name + " \"" + value + "\"\n"
			}
			script += c.statement + "SELECT changes();\n"
		}
		cmd := exec.Command("sqlite3", "-batch")
		cmd.Stdin = strings.NewReader(script)
		out, err := cmd.CombinedOutput()
		if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != c.want {
			t.Errorf("%s: changed %s rows (%v), want %s", c.name, got, err, c.want)
		}
	}
}
