package schedule

// A Schedule tells when ticks fall. Ticks are whole UTC seconds after the epoch.
// The zero Schedule has no ticks at all.
type Schedule struct{}

// Next returns the first tick strictly after the given epoch second; 0: none.
func (s Schedule) Next(after int64) int64 { return 0 }

// Prev returns the latest tick at or before the given epoch second; 0: none.
func (s Schedule) Prev(at int64) int64 { return 0 }
