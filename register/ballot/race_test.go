//go:build race

package ballot

// usualStates is how far a search goes: it has one goroutine, and finds no races.
const usualStates = 10_000
