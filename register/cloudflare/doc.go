// Package cloudflare is the register in Cloudflare DNS: the TXT records at a name
// of a zone, by the API of version 4.
//
// A [Client] stands for one zone and one API token, and any number of registers
// share it, one for each name:
//
//	client, err := cloudflare.New(cloudflare.Config{Zone: "jobs.example.com", Token: token})
//	r, err := client.Register("canary.jobs.example.com")
//
// # How a swap compares
//
// Cloudflare compares nothing in a single call, and an update keeps the id of a
// record: whoever writes last has written. But a batch is documented to be one
// database transaction, in the order deletes, patches, puts, posts, of which nothing
// is applied if any of it fails. So a swap is one batch that deletes every record it
// has read by its id, and posts every text anew, which gives it a new id. Beside the
// texts it replaces one record more, the guard: a CNAME at the name
// _solotick-guard below the register's, always with the same content. Two things
// keep a second swap from being applied, each of them alone:
//
//   - A: the delete of an id that is gone fails. Ids are never used again, so that a
//     swap of an older version fails for ever, however late it arrives.
//   - B: a name has one CNAME at most. A swap frees that place only by deleting the
//     very guard that it has read. After any other swap another guard is there: the
//     loser does not delete that, and its own is refused. That is so for ever as
//     well, since no swap but a removal leaves the place empty. The content is always
//     the same, and not one of its own for each version: that of a swap which comes
//     two versions late would be nobody's any more, and nothing would refuse it.
//
// B is two rules of Cloudflare's at once: a second CNAME at a name is refused, and
// so is a record that is identical to another. The first swap of a name has nothing
// to delete, and only B; a removal posts nothing, and has only A.
//
// Documented are the transaction, its order, and that nothing is applied if an
// action fails; and that a CNAME is refused at the name of another. Others have
// observed the errors: 81044 for an update or a read of an id that is gone, 81053
// for a second CNAME, 81057 and 81058 for an identical record. That the delete of an
// id that is gone fails within a batch follows from the rule, and nobody has been
// seen to try it; nor how batches that arrive at the same moment are kept apart.
// Hence the [Class]. [Client.Examine] tries A without changing anything.
//
// # What it does not see
//
// A record whose content somebody has edited in place keeps its id, and one that
// somebody has added is not among those that were read: a swap of what was read
// before notices neither. So nobody else must write at the name; the dashboard's
// "Edit" and programs that update by id, as the original agents did, are such
// writers. A record that was deleted by hand is noticed. A guard
// that was deleted by hand is missed by B alone, until the next swap has made
// another; one that was left behind by a record deleted by hand is replaced with the
// first swap after a Load.
//
// Values of others at the name are part of the set: they are deleted and posted
// again with every swap, with their content, but with the register's TTL and
// without their comments and tags. Give the records names of their own, and best a
// zone of their own, since a token is for whole zones.
//
// # What DNS shows
//
// A change reaches the name servers record by record, not as a whole, as Cloudflare
// documents: for a moment DNS may show no TXT record at the name, or the old and the
// new one. A Load does not. A cache that asks at such a moment keeps "nothing" for as
// long as the zone's SOA record says, so that people should look at the zone's own
// name servers.
//
// It makes no zones and no tokens, and uses HTTP itself and not the vendor's
// library, whose errors and fields cannot be named without a package that imports
// all of Cloudflare's services; the tests hold its requests against that library's
// types.
package cloudflare
