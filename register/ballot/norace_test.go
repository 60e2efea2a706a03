//go:build !race

package ballot

// usualStates is how far a search goes: to its end.
const usualStates = 0
