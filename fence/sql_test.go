//go:build unix

package fence

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/solotick/solotick/internal/pgtest"
)

// The statements that the documentation shows are run here as they stand there.

// sqlOf are the blocks of SQL in a page.
func sqlOf(t *testing.T, page string) []string {
	t.Helper()
	data, err := os.ReadFile("../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```sql\n(.*?)^```").FindAllStringSubmatch(string(data), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// block is the one block that contains a text.
func block(t *testing.T, page, has string) string {
	t.Helper()
	found := ""
	for _, b := range sqlOf(t, page) {
		if strings.Contains(b, has) {
			if found != "" {
				t.Fatalf("docs/%s has two blocks with %q", page, has)
			}
			found = b
		}
	}
	if found == "" {
		t.Fatalf("docs/%s has no block with %q", page, has)
	}
	return found
}

// parts of a block: what makes the tables, and the statement that has the fence.
func parts(t *testing.T, block string) (tables, statement string) {
	t.Helper()
	for part := range strings.SplitSeq(block, ";\n") {
		text := strings.TrimSpace(regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(part, ""))
		switch {
		case text == "":
		case strings.Contains(text, "$1"):
			if statement != "" {
				t.Fatalf("two statements with a fence: %s", block)
			}
			statement = text
		default:
			tables += text + ";\n"
		}
	}
	return tables, statement
}

// fences are played against a statement in their order: does it change a row?
var fences = []struct {
	fence   int64
	changes int
}{
	{1795413935000, 1},
	{1795413935000, 1}, // the same run again
	{1795413939000, 1},
	{1795413935000, 0}, // it was taken over, and wakes up
	{1795413939001, 1},
}

func TestSQLite(t *testing.T) {
	for _, b := range []string{block(t, "locks.md", "INSERT INTO fences VALUES ('deploy'"), block(t, "library.md", "UPDATE accounts")} {
		tables, statement := parts(t, b)
		script := tables
		var want strings.Builder
		for _, c := range fences {
			script += fmt.Sprintf(".parameter set $1 %d\n%s;\nSELECT changes();\n", c.fence, statement)
			fmt.Fprintln(&want, c.changes)
		}
		cmd := exec.CommandContext(t.Context(), "sqlite3", "-batch", "-bail", ":memory:")
		cmd.Stdin = strings.NewReader(script)
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != want.String() {
			t.Errorf("%s\n%v: %s, want %s", script, err, out, want.String())
		}
	}
}

func TestPostgreSQL(t *testing.T) {
	db := pgtest.Run(t)
	for _, b := range []string{block(t, "locks.md", "INSERT INTO fences VALUES ('deploy'"), block(t, "library.md", "UPDATE accounts")} {
		tables, statement := parts(t, b)
		script := tables + "PREPARE guarded(bigint) AS " + statement + ";\n"
		var want []int
		for _, c := range fences {
			script += fmt.Sprintf("EXECUTE guarded(%d);\n", c.fence)
			want = append(want, c.changes)
		}
		out, err := db.Psql(script)
		if err != nil {
			t.Errorf("%s\n%v: %s", script, err, out)
		}
		var got []int
		for _, m := range regexp.MustCompile(`(?m)^(?:UPDATE|INSERT 0) (\d)$`).FindAllStringSubmatch(out, -1) {
			n, _ := strconv.Atoi(m[1])
			got = append(got, n)
		}
		if got = got[max(0, len(got)-len(want)):]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s\nchanged %v rows, want %v", script, got, want)
		}
	}
	// The script for psql fails as a whole.
	migrate := block(t, "locks.md", "INSERT INTO fences VALUES ('migrate'")
	migrate = strings.Replace(migrate, "-- ... the work ...", "INSERT INTO work VALUES (:fence);", 1)
	if out, err := db.Psql("CREATE TABLE work (fence bigint);"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, c := range fences {
		out, err := db.Psql(migrate, "-v", "fence="+strconv.FormatInt(c.fence, 10))
		if done := err == nil; done != (c.changes == 1) || !done && !strings.Contains(out, "division by zero") {
			t.Errorf("fence %d: %v: %s", c.fence, err, out)
		}
	}
	out, err := db.Psql("SELECT string_agg(fence::text, ' ') FROM work;", "-t", "-A")
	if want := "1795413935000 1795413935000 1795413939000 1795413939001"; err != nil || strings.TrimSpace(out) != want {
		t.Errorf("work was done under %s, want %s (%v)", out, want, err)
	}
}
