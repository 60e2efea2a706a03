package ballot_test

import (
	"context"
	"fmt"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/ballot"
	"github.com/solotick/solotick/register/cloudtest"
)

// Any libdns module makes a register: here that of a provider in memory, which has
// the four methods of every other one.
func Example() {
	provider := cloudtest.NewLibDNS("example.com", cloudtest.LibDNSOptions{})
	module := provider.Client(cloudtest.Token) // elsewhere: &vultr.Provider{APIToken: token}

	client, err := ballot.New(ballot.Config{Provider: module, Service: "vultr", Zone: "example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := client.Register("canary.example.com")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	now, err := r.Swap(ctx, register.Snapshot{}, []string{"first"})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = r.Swap(ctx, register.Snapshot{}, []string{"second"})
	fmt.Println(now.Texts, err)
	fmt.Println(provider.Texts("canary"), ballot.Class.Promise())
	// Output:
	// [first] ballot: swap canary.example.com at vultr: the register no longer holds what was read
	// [first] of two swaps of one record at most one is applied, if the service's lists show every write that it has acknowledged
}
