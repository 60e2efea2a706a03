package monitor

// RunsSchema names the form of [Runs].
const RunsSchema = "solotick.runs/v1"

// Runs are the runs of one record between two moments, as the page's API has them.
type Runs struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`  // of the record
	From   int64  `json:"from"`  // epoch second, included
	To     int64  `json:"to"`    // epoch second, included
	Runs   []Run  `json:"runs"`  // in the order in which they began
	Spans  []Span `json:"spans"` // when it was looked at; what is between two of them is a gap
}

// RunsDocument is what the history knows of a record's runs between two epoch
// seconds, both included.
func (h *History) RunsDocument(name string, from, to int64) Runs {
	return Runs{
		Schema: RunsSchema, Name: name, From: from, To: to,
		Runs: append([]Run{}, h.Runs(name, from, to)...), Spans: append([]Span{}, h.Spans(name, from, to)...),
	}
}
