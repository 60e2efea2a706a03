package main

import (
	"strings"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/seal"
)

// This file has what the doctor says of keys, and of records that they protect.

// keys tells how this agent writes, and what it takes.
func (d *doctor) keys(c *config.Config) {
	for _, text := range looseKeys(c) {
		d.tell("", "key file", advice, "", "%s", text)
	}
	r := d.ring
	if len(r.Seal) > 0 {
		var more []string
		for _, k := range r.Seal[1:] {
			more = append(more, k.ID())
		}
		also := ""
		if len(more) > 0 {
			also = ", and opens what is sealed with " + strings.Join(more, ", ")
		}
		d.change("seal", "plain", r.Plain, "this agent seals with the key "+r.Seal[0].ID()+also)
	}
	if !r.Sign.Zero() {
		d.change("sign", "unsigned", r.Unsigned, "this agent signs with the key "+r.Sign.Public().ID())
	}
}

// change tells of a protection, and that changing over to it is not over.
func (d *doctor) change(check, key string, is seal.Accept, text string) {
	switch is {
	case seal.Write:
		d.tell("", check, advice, check+": { "+key+": read } once every agent has the key", "%s; so far it writes without, as %s.%s says", text, check, key)
	case seal.Read:
		d.tell("", check, advice, "leave "+check+"."+key+" out once every record has it", "%s; records without are still taken, as %s.%s says, so that anybody who can write the zone can make one", text, check, key)
	case seal.Refuse:
		d.tell("", check, passed, "", "%s", text)
	}
}

// protection tells what guards a record. It returns false if it does not open, so
// that nothing can be tried beside it.
func (d *doctor) protection(s site, set record.Set) bool {
	by := set.Protection
	if by.Sealed != "" {
		d.used[by.Sealed] = true
	}
	if set.State == record.Unopenable {
		d.failed(exitRefused)
		d.tell(s.job, "sealed", failed, "seal: { keys: [...] } as the agents have it that write here, or solotick record reset --lost-key "+s.String(),
			"%v: an agent with this file would leave the record alone, and run nothing", set.Detail)
		return false
	}
	if set.State != record.Present {
		return true
	}
	ours, writes := "", d.ring.Plain != seal.Write
	if len(d.ring.Seal) > 0 {
		ours = d.ring.Seal[0].ID()
	}
	switch {
	case by.Sealed == "" && ours != "" && writes:
		d.tell(s.job, "sealed", advice, "", "the record is plain; the next write of an agent with this file seals it")
	case by.Sealed != "" && by.Sealed != ours && writes:
		d.tell(s.job, "sealed", advice, "", "with the key %s; this agent seals with %s, which all others have to have already", by.Sealed, ours)
	case by.Sealed != "":
		d.tell(s.job, "sealed", passed, "", "with the key %s", by.Sealed)
	}
	switch signs := !d.ring.Sign.Zero(); {
	case by.Signer != "":
		d.tell(s.job, "signed", passed, "", "by the key %s", by.Signer)
	case by.Signed && !signs:
		d.tell(s.job, "signed", advice, "sign: { key: ... }, if the other agents have it: they do not take what this one would write",
			"the record is signed, and this agent does not sign")
	case signs && d.ring.Unsigned == seal.Read:
		d.tell(s.job, "signed", advice, "", "the record is not signed; the next write of an agent with this file signs it")
	}
	return true
}

// unused tells of keys that no record of the file is sealed with any more.
func (d *doctor) unused() {
	if len(d.ring.Seal) == 0 {
		return
	}
	for _, k := range d.ring.Seal[1:] {
		if !d.used[k.ID()] {
			d.tell("", "seal", advice, "leave it out, once no agent has it as its first key", "no record is sealed with the key %s", k.ID())
		}
	}
}
