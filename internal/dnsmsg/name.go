package dnsmsg

import (
	"fmt"

	"github.com/miekg/dns"
)

// Absolute is a name as it comes back in messages, so that both compare as text:
// absolute, in lower case, and every octet escaped that is no letter, digit or
// the like.
func Absolute(name string) (string, error) {
	bad := func() (string, error) { return "", fmt.Errorf("%q is no domain name", name) }
	if name == "" {
		return bad()
	}
	packed, err := packName(name)
	if err != nil {
		return bad()
	}
	back, _, err := dns.UnpackDomainName(packed, 0)
	if err != nil {
		return bad()
	}
	return dns.CanonicalName(back), nil
}

// Parent is a name from [Absolute] without its first label; of the root, nothing.
func Parent(name string) string {
	at, _ := dns.NextLabel(name, 0)
	return name[at:]
}
