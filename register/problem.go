package register

import "errors"

// A Problem is an error about which a person can do something: a credential that
// may not do enough, a zone that is not there, a name that another record holds.
// It wraps what the caller branches on, such as [ErrRefused].
type Problem struct {
	Err error
	Do  string // what to do, best as a command; no secret
	// Config says that the mistake is in the configuration, and not at the service.
	Config bool
}

func (p *Problem) Error() string { return p.Err.Error() }

func (p *Problem) Unwrap() error { return p.Err }

// Remedy is what to do about err, if that is known.
func Remedy(err error) (do string, ok bool) {
	var p *Problem
	if !errors.As(err, &p) {
		return "", false
	}
	return p.Do, true
}

// A Finding is one thing that a provider's client found out about the way to the
// records, for people: that a token is valid, that a zone is where it should be.
type Finding struct {
	Check string // what was looked at, in a word or two
	OK    bool
	Text  string // what was found
	Do    string // what to do about it, if it is not well; best as a command
}
