// Package leaselock lets client-go's leader election run over a DNS TXT record in the
// place of a Lease, for controllers in several clusters, or in none, of which one is to
// lead.
//
// [New] makes a resourcelock.Interface of a register; the rest is client-go's:
//
//	lock, err := leaselock.New(leaselock.Config{Register: reg, Name: "controller.example.com", Identity: hostname})
//	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
//		Lock: lock, LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 5 * time.Second, ...
//	})
//
// The record is that of a lock (protocol.md, section 11), with what client-go wants to
// know beside in the member "lease": solotick status reads it, an operator's pause keeps it from
// being taken, and its fence, [Lock.Fence], only ever grows, also when the record was
// removed. client-go's leader election has no such number, and its LeaderTransitions
// are none.
//
// Each renewal is a write, every RetryPeriod: with client-go's usual 2 s that is 43,200 a
// day, which a provider that bills or limits writes will not like. RetryPeriod may be as long
// as a third of RenewDeadline.
//
// What is guaranteed is what client-go guarantees, which is less than solotick.Agent.Lock does:
// a leader that is halted for longer than its lease acts on when it wakes, until its
// renewal fails; who has a choice uses Agent.Run with Policy.Lock. Here, too, all electors
// have the same LeaseDuration. A record that is not there is not taken at once, as
// somebody may hold the lock whose record was just removed: the first leader ever is
// elected a lease after the first look. Who holds it puts it back.
//
// This is a module of its own, since client-go is heavy: 45 modules that no other user of
// Solotick should have to download.
package leaselock
