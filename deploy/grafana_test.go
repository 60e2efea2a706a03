package deploy

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// A model is a dashboard in the form that every Grafana imports.
//
//lint:ignore SA1019 the form that takes its place is for Grafana 12 and later
type model = dashboard.Dashboard

// overview reads the dashboard as strictly as Grafana's schema is: nothing is
// missing, of another type, or unknown.
func overview(t *testing.T) *model {
	t.Helper()
	schema := cog.NewRuntime()
	schema.RegisterPanelcfgVariant(heatmap.VariantConfig())
	schema.RegisterPanelcfgVariant(stat.VariantConfig())
	schema.RegisterPanelcfgVariant(statetimeline.VariantConfig())
	schema.RegisterPanelcfgVariant(table.VariantConfig())
	schema.RegisterPanelcfgVariant(timeseries.VariantConfig())
	schema.RegisterDataqueryVariant(prometheus.VariantConfig())
	data := read(t, "grafana/solotick.json")
	var d, strict model
	for _, err := range []error{strict.UnmarshalJSONStrict(data), json.Unmarshal(data, &d), d.Validate()} {
		if err != nil && err.Error() != "" { // an empty list of errors is not nil
			t.Fatalf("grafana/solotick.json: %v", err)
		}
	}
	return &d
}

var variable = regexp.MustCompile(`\$\{?([a-z_]+)`)

// TestDashboard wants of every panel that people understand it, and of every
// question that Prometheus does.
func TestDashboard(t *testing.T) {
	d := overview(t)
	known := []string{"__rate_interval"}
	var exprs []string
	for _, v := range d.Templating.List {
		known = append(known, v.Name)
	}
	ids := map[uint32]string{}
	var taken [][]bool
	for _, p := range d.Panels {
		if p.RowPanel != nil {
			noteID(t, ids, p.RowPanel.Id, *p.RowPanel.Title)
			continue
		}
		panel := p.Panel
		noteID(t, ids, *panel.Id, *panel.Title)
		if panel.Description == nil || !strings.HasSuffix(*panel.Description, ".") {
			t.Errorf("%s: want a description that ends with a full stop", *panel.Title)
		}
		if u := panel.FieldConfig.Defaults.Unit; u == nil || *u == "" {
			t.Errorf("%s has no unit", *panel.Title)
		}
		taken = fit(t, taken, panel)
		if len(panel.Targets) == 0 {
			t.Errorf("%s asks nothing", *panel.Title)
		}
		for _, target := range panel.Targets {
			q, ok := target.(*prometheus.Dataquery)
			if !ok {
				t.Fatalf("%s: a question is a %T", *panel.Title, target)
			}
			exprs = append(exprs, q.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		exprs = append(exprs, *a.Expr)
	}
	for i, e := range exprs {
		for _, found := range variable.FindAllStringSubmatch(e, -1) {
			if !slices.Contains(known, found[1]) {
				t.Errorf("%s: there is no variable %s", e, found[1])
			}
		}
		exprs[i] = settle(e)
	}
	parses(t, exprs)
}

// settle puts values in the places of variables.
func settle(expr string) string {
	return strings.NewReplacer("$__rate_interval", "5m", "$name", ".*", "$job", ".*").Replace(expr)
}

func noteID(t *testing.T, ids map[uint32]string, id uint32, title string) {
	t.Helper()
	if other, ok := ids[id]; ok || id == 0 {
		t.Errorf("%q and %q have the id %d", title, other, id)
	}
	ids[id] = title
}

// fit wants panels that lie beside each other, and not one above another.
func fit(t *testing.T, taken [][]bool, p *dashboard.Panel) [][]bool {
	t.Helper()
	g := p.GridPos
	if g.X+g.W > 24 {
		t.Errorf("%s reaches over the edge: %d and %d wide, of 24", *p.Title, g.X, g.W)
		return taken
	}
	for y := g.Y; y < g.Y+g.H; y++ {
		for uint32(len(taken)) <= y {
			taken = append(taken, make([]bool, 24))
		}
		for x := g.X; x < g.X+g.W; x++ {
			if taken[y][x] {
				t.Errorf("%s lies over another panel at %d, %d", *p.Title, x, y)
				return taken
			}
			taken[y][x] = true
		}
	}
	return taken
}

// TestDashboardIsPlain: the file has the form that Grafana writes, so that what it
// exports differs in what was changed only.
func TestDashboardIsPlain(t *testing.T) {
	data := read(t, "grafana/solotick.json")
	if !json.Valid(data) || !strings.HasSuffix(string(data), "}\n") || strings.Contains(string(data), "\t") {
		t.Error("grafana/solotick.json: want JSON, indented by two spaces, with a line feed at the end")
	}
}
