package zone

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// The database is one bbolt file. A bucket for each zone, named by its origin in wire form, maps a name (lower case wire
// form) to its records: a checksum of 8 octets over key and value, then the name as written, then the RRsets. The bucket
// "sums" maps a zone to the number of its names and the sum of their checksums. bbolt itself checks nothing but its two
// header pages; so the pages are walked and everything in them is checked against these sums before the first question is
// answered: a database that lost or changed a name does not start.
const (
	dataFile   = "zone.db"
	markerFile = "zone.db.created"
	lockName   = "zone.lock"
)

var (
	sumsBucket = []byte("sums")
	// The tag stands before a zone's name so that no zone can be called "sums".
	zoneTag = []byte("zone:")
)

// errDamaged is wrapped by what openStore reports about a database that must not be used.
var errDamaged = errors.New("the zone database is damaged; nothing was started and nothing was changed. " +
	"Restore the data directory from a backup, or move it away and start anew from a zone file or a transfer from a secondary " +
	"(dig AXFR)")

// store keeps the zones on disk. Only the committer writes; it is the only one to use a store after openStore.
type store struct {
	dir  string
	lock *os.File // held as long as the store is open
	db   *bolt.DB
	sums map[string]sum // by origin
	// sync, if not nil, runs after every commit and its error counts as that of the disk. Tests set it.
	sync func() error
}

type sum struct{ names, check uint64 }

var boltOptions = bolt.Options{
	Timeout:        time.Second,
	NoFreelistSync: true, // less to write; the list of free pages is made from the tree at start, which walks the tree
	FreelistType:   bolt.FreelistMapType,
}

// errInUse says that another process has the lock of a data directory.
var errInUse = errors.New("in use by another process")

// openStore opens the database in dir and returns its zones by origin. There are none, and created is true, if dir has
// never held a database.
func openStore(dir string) (s *store, zones map[string]*tree, created bool, err error) {
	path := filepath.Join(dir, dataFile)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, false, err
	}
	lock, err := lockFile(filepath.Join(dir, lockName))
	if err != nil {
		if errors.Is(err, errInUse) {
			return nil, nil, false, fmt.Errorf("%s is in use by another process", dir)
		}
		return nil, nil, false, fmt.Errorf("%s cannot be locked: %w", dir, err)
	}
	s = &store{dir: dir, lock: lock, sums: map[string]sum{}}
	defer func() {
		if err != nil {
			s.close()
			s = nil
		}
	}()
	_, marked := os.Stat(filepath.Join(dir, markerFile))
	switch _, err := os.Stat(path); {
	case errors.Is(err, os.ErrNotExist) && marked == nil:
		return s, nil, false, fmt.Errorf("%s is missing, though %s says that it was there: %w", path, markerFile, errDamaged)
	case errors.Is(err, os.ErrNotExist):
		return s, map[string]*tree{}, true, nil
	case err != nil:
		return s, nil, false, err
	}
	if err := verifyFile(path); err != nil {
		return s, nil, false, fmt.Errorf("%s: %w: %w", path, err, errDamaged)
	}
	if zones, err = s.load(path); err != nil {
		return s, nil, false, fmt.Errorf("%s: %w: %w", path, err, errDamaged)
	}
	if marked != nil {
		err = s.mark()
	}
	return s, zones, false, err
}

// load opens the file and reads every zone. Should bbolt trip over a page that verifyFile let pass, that is an error.
func (s *store) load(path string) (zones map[string]*tree, err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reading it failed: %v", p)
		}
	}()
	if s.db, err = bolt.Open(path, 0o600, &boltOptions); err != nil {
		return nil, err
	}
	zones = map[string]*tree{}
	err = s.db.View(func(tx *bolt.Tx) error {
		sums := tx.Bucket(sumsBucket)
		if sums == nil {
			return errors.New("it is no zone database")
		}
		err := tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
			if origin, ok := bytes.CutPrefix(name, zoneTag); ok && sums.Get(origin) == nil {
				return fmt.Errorf("zone %s has lost its sums", textName(string(origin)))
			}
			return nil
		})
		if err != nil {
			return err
		}
		return sums.ForEach(func(origin, v []byte) error {
			b := tx.Bucket(append(bytes.Clone(zoneTag), origin...))
			if b == nil || len(v) != 16 {
				return fmt.Errorf("zone %s has no records", textName(string(origin)))
			}
			t, got, err := loadZone(b, string(origin))
			if err != nil {
				return err
			}
			if want := (sum{binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])}); got != want {
				return fmt.Errorf("zone %s has %d names with checksum %x, not %d with %x",
					textName(string(origin)), got.names, got.check, want.names, want.check)
			}
			zones[string(origin)], s.sums[string(origin)] = t, got
			return nil
		})
	})
	return zones, err
}

func loadZone(b *bolt.Bucket, origin string) (*tree, sum, error) {
	t := newTree(origin)
	var total sum
	err := b.ForEach(func(k, v []byte) error {
		if len(v) < 8 || binary.BigEndian.Uint64(v) != checksum(k, v[8:]) {
			return fmt.Errorf("zone %s: a name's records fail their checksum", textName(origin))
		}
		n, err := decodeNode(v[8:])
		if err != nil {
			return fmt.Errorf("zone %s: %w", textName(origin), err)
		}
		total.names++
		total.check += binary.BigEndian.Uint64(v)
		t.put(string(k), n)
		return nil
	})
	if err == nil && (t.nodes[origin] == nil || t.soa() == nil) {
		err = fmt.Errorf("zone %s has no SOA", textName(origin))
	}
	return t, total, err
}

func checksum(key, value []byte) uint64 {
	h := sha256.New()
	h.Write(key)
	h.Write(value)
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// commit makes the changes of all views durable in one transaction. After an error nobody knows what the disk holds: the
// store must be rewritten before it is used again.
func (s *store) commit(views []*view) error {
	sums := map[string]sum{}
	err := s.db.Update(func(tx *bolt.Tx) error {
		for _, v := range views {
			origin := v.tree.origin
			total := s.sums[origin]
			if err := writeNodes(tx, origin, &total, v.tree.nodes, v.changed); err != nil {
				return err
			}
			sums[origin] = total
		}
		return nil
	})
	if err == nil && s.sync != nil {
		err = s.sync()
	}
	if err != nil {
		return err
	}
	for origin, total := range sums {
		s.sums[origin] = total
	}
	return nil
}

// writeNodes writes changed nodes and the new sums. old are the nodes that the database holds.
func writeNodes(tx *bolt.Tx, origin string, total *sum, old, changed map[string]*node) error {
	b, err := tx.CreateBucketIfNotExists(append(bytes.Clone(zoneTag), origin...))
	if err != nil {
		return err
	}
	// In order, since bbolt splits no page before the end of a transaction: a million names put into the midst of one
	// would take hours.
	for _, key := range slices.Sorted(maps.Keys(changed)) {
		n, k := changed[key], []byte(key)
		if prior := old[key]; prior != nil {
			total.names--
			total.check -= checksum(k, encodeNode(prior)[8:])
		}
		if n == nil {
			err = b.Delete(k)
		} else {
			v := encodeNode(n)
			check := checksum(k, v[8:])
			binary.BigEndian.PutUint64(v, check)
			total.names++
			total.check += check
			err = b.Put(k, v)
		}
		if err != nil {
			return err
		}
	}
	sums, err := tx.CreateBucketIfNotExists(sumsBucket)
	if err != nil {
		return err
	}
	v := binary.BigEndian.AppendUint64(nil, total.names)
	return sums.Put([]byte(origin), binary.BigEndian.AppendUint64(v, total.check))
}

// rewrite puts a new file with these zones in the place of the database: at the very first start, and after a failed commit,
// when pages that were never written may look clean to the kernel, so that a later fsync of the same file proves nothing.
func (s *store) rewrite(zones map[string]*tree) (err error) {
	path := filepath.Join(s.dir, dataFile)
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	db, err := bolt.Open(temp, 0o600, &boltOptions)
	if err != nil {
		return err
	}
	sums := map[string]sum{}
	err = db.Update(func(tx *bolt.Tx) error {
		if _, err := tx.CreateBucketIfNotExists(sumsBucket); err != nil {
			return err
		}
		for origin, t := range zones {
			var total sum
			if err := writeNodes(tx, origin, &total, nil, t.nodes); err != nil {
				return err
			}
			sums[origin] = total
		}
		return nil
	})
	if err == nil && s.sync != nil {
		err = s.sync()
	}
	if closeErr := db.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = os.Remove(temp) // best effort: the next attempt removes it first
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	if err := s.mark(); err != nil {
		return err
	}
	s.closeDB()
	s.db, err = bolt.Open(path, 0o600, &boltOptions)
	s.sums = sums
	return err
}

// mark leaves the file that tells a lost database from one that never was, and makes both names durable.
func (s *store) mark() error {
	f, err := os.OpenFile(filepath.Join(s.dir, markerFile), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (s *store) closeDB() {
	if s.db != nil {
		_ = s.db.Close() // every commit was synced
		s.db = nil
	}
}

func (s *store) close() {
	s.closeDB()
	_ = s.lock.Close() // nothing is written to it
}

// encodeNode leaves room for the checksum in front.
func encodeNode(n *node) []byte {
	b := make([]byte, 8, 256)
	b = append(b, byte(len(n.name)))
	b = append(b, n.name...)
	for _, s := range n.sets {
		b = binary.BigEndian.AppendUint16(b, s.typ)
		b = binary.BigEndian.AppendUint32(b, s.ttl)
		b = binary.BigEndian.AppendUint16(b, uint16(len(s.data)))
		for _, data := range s.data {
			b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
			b = append(b, data...)
		}
	}
	return b
}

// decodeNode reads what encodeNode wrote behind the checksum, which has been found right.
func decodeNode(b []byte) (*node, error) {
	bad := errors.New("a name's records do not decode")
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return nil, bad
	}
	n := &node{name: string(b[1 : 1+int(b[0])])}
	for b = b[1+int(b[0]):]; len(b) > 0; {
		if len(b) < 8 {
			return nil, bad
		}
		s := rrset{typ: binary.BigEndian.Uint16(b), ttl: binary.BigEndian.Uint32(b[2:])}
		count := int(binary.BigEndian.Uint16(b[6:]))
		b = b[8:]
		for range count {
			if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
				return nil, bad
			}
			size := int(binary.BigEndian.Uint16(b))
			s.data = append(s.data, string(b[2:2+size]))
			b = b[2+size:]
		}
		n.sets = append(n.sets, s)
	}
	return n, nil
}
