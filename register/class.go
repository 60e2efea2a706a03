package register

// A Class is what the service behind a register promises about swaps, declared by
// the package of each provider. It is for people, and for whoever starts an
// agent: nothing of the protocol depends on it.
type Class string

// The classes, the strongest first.
const (
	// Exact: of the swaps of one snapshot at most one is ever applied. The service
	// documents a comparison and a change in one step, or is software that was
	// tried.
	Exact Class = "exact"
	// Conditional: exact if the service does what its documentation implies and
	// nobody has been seen to try. A conformance run on the user's own account
	// shows whether it does.
	Conditional Class = "conditional"
	// Ballot: exact without any assumption about time, if a list of the service
	// always shows every write that was acknowledged before it was asked for.
	Ballot Class = "ballot"
	// Timed: exact only while every write takes effect within a time that is
	// assumed, and not known.
	Timed Class = "timed"
)

// Weaker says whether somebody has to agree to the class first, or a conformance
// run to show that it holds.
func (c Class) Weaker() bool { return c != Exact }

func (c Class) String() string { return string(c) }

// Promise is the class in a sentence.
func (c Class) Promise() string {
	switch c {
	case Exact:
		return "of two swaps of one record at most one is applied"
	case Conditional:
		return "of two swaps of one record at most one is applied, if the service does what its documentation implies"
	case Ballot:
		return "of two swaps of one record at most one is applied, if the service's lists show every write that it has acknowledged"
	case Timed:
		return "of two swaps of one record at most one is applied, while every write takes effect within the time that is assumed"
	}
	return "unknown"
}
