package solotick

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/elect"
)

// month is that of docs/explanation/cost.md, in seconds.
const month = 30 * 86400

// costTable are the rows of one table of the page, as numbers in the order of its
// columns, without so many of the first; an interval is in seconds.
func costTable(t *testing.T, name string, skip int) (rows [][]float64) {
	t.Helper()
	page, err := os.ReadFile("docs/explanation/cost.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "<!-- computed: "+name+" -->\n\n")
	text, _, _ = strings.Cut(text, "\n\n")
	lines := strings.Split(text, "\n")
	if len(lines) < 4 {
		t.Fatalf("the page has no table %q", name)
	}
	figure := regexp.MustCompile(`\d[\d,]*(\.\d+)?( h\b)?`)
	for _, line := range lines[2:] {
		var row []float64
		for _, cell := range strings.Split(strings.Trim(line, "|"), "|")[skip:] {
			for _, f := range figure.FindAllString(cell, -1) {
				digits, hours := strings.CutSuffix(f, " h")
				v, err := strconv.ParseFloat(strings.ReplaceAll(digits, ",", ""), 64)
				if err != nil {
					t.Fatal(err)
				}
				if hours {
					v *= 3600
				}
				row = append(row, v)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// sent is what agents send in a month by the rules of the page.
func sent(agents, every float64) (writes, loads, looks float64) {
	ticks := month / every
	return 2 * ticks, agents * month / 600, agents*month/55 + (agents-1)*ticks
}

// TestCost computes the table of what a month costs, and has real agents live through
// three hours beside it: they send no more, and not much less.
func TestCost(t *testing.T) {
	for _, row := range costTable(t, "month", 0) {
		agents, every := row[0], row[1]
		writes, loads, looks := sent(agents, every)
		dollars := math.Round(looks/1e6*0.40*100) / 100
		if got, want := fmt.Sprint(row[2:]), fmt.Sprint([]float64{writes, loads, math.Round(looks), dollars}); got != want {
			t.Errorf("%v agents every %v s: the page has %s, and it is %s", agents, every, got, want)
		}
		if agents > 10 {
			continue // the rule is linear in them, and the machine is not
		}
		const hours = 3
		bubble(t, func(w *world) {
			all := w.agents(int(agents), elect.Policy{Schedule: grid(int(every))})
			w.until(10 * time.Minute) // the record is there
			count := func() (sum [3]int) {
				for _, n := range all {
					sum[0] += n.swaps()
					sum[1] += n.loads()
					sum[2] += n.looks()
				}
				return sum
			}
			before := count()
			w.until(10*time.Minute + hours*time.Hour)
			after := count()
			for i, rule := range []float64{writes, loads, looks} {
				got := float64(after[i]-before[i]) * month / (hours * 3600)
				if got > rule*1.01 || got < rule*0.6 {
					t.Errorf("%v agents every %v s, %s: %.0f a month by what they did, %.0f by the rule", agents, every, []string{"writes", "loads", "looks"}[i], got, rule)
				}
			}
		})
	}
}

// TestCostLimits computes how many jobs fit into what vendors allow, and how many
// agents of the original.
func TestCostLimits(t *testing.T) {
	for i, row := range costTable(t, "limits", 1) {
		allowed, within, hourly, jobs := row[0], row[1], row[2], row[3]
		writes, loads, _ := sent(3, 60)
		job := (writes + loads) * 3600 / month
		if i == 2 { // reads of Azure DNS are counted apart
			job = writes * 3600 / month
		}
		if want := allowed * 3600 / within; hourly != want || jobs != math.Floor(want/job) {
			t.Errorf("row %d has %v: it is %v an hour, and %v jobs", i, row, want, math.Floor(want/job))
		}
	}
	const asks = 5.5 // requests of one agent in five minutes, by the page
	if math.Round(300.0/55*10)/10 != asks {
		t.Errorf("%v requests in five minutes", 300.0/55)
	}
	rows := costTable(t, "original", 1)
	if wrong, right := rows[0][0], rows[1][0]; right != 1200*55/300 || wrong != 5*right {
		t.Errorf("the page has %v and %v agents", wrong, right)
	}
}
