// Package archtest holds tests alone: which package may import which, that the
// library stays cheap to import, that the core stays pure, and that the texts
// for people point at what exists.
package archtest
