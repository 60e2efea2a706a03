package monitor

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// FuzzHistoryFile: whatever the values in the file of a history are, it is read, and
// a history goes on with it.
func FuzzHistoryFile(f *testing.F) {
	run, err := json.Marshal(Run{Over: true})
	if err != nil {
		f.Fatal(err)
	}
	event, err := json.Marshal(Event{ID: 3})
	if err != nil {
		f.Fatal(err)
	}
	number := []byte{0, 0, 0, 0, 0, 0, 0, 3}
	f.Add("canary.example.com", number, run, event, []byte(`{"spans":[]}`), []byte(fileForm))
	f.Add("canary.example.com", []byte{255, 255, 255, 255, 255, 255, 255, 255}, []byte(`{"attempts":[{}],"tick":-1}`), []byte(`{"id":-1}`), []byte(`{"spans":[{"from":9,"to":-9}]}`), []byte(fileForm))
	f.Add("a", []byte("x"), []byte("{"), []byte("[]"), []byte("null"), []byte("another"))
	f.Fuzz(func(t *testing.T, name string, key, run, event, spans, is []byte) {
		path := filepath.Join(t.TempDir(), "history")
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			for _, one := range []struct {
				bucket, value []byte
			}{{runsBucket, run}, {eventsBucket, event}} {
				all, err := tx.CreateBucketIfNotExists(one.bucket)
				if err != nil {
					return err
				}
				of, err := all.CreateBucketIfNotExists([]byte(name))
				if err != nil {
					return err
				}
				if err := of.Put(key, one.value); err != nil {
					return err
				}
			}
			all, err := tx.CreateBucketIfNotExists(spansBucket)
			if err != nil {
				return err
			}
			if err := all.Put([]byte(name), spans); err != nil {
				return err
			}
			b, err := tx.CreateBucketIfNotExists(form)
			if err != nil {
				return err
			}
			return b.Put(form, is)
		})
		if closed := db.Close(); err != nil || closed != nil {
			return // a name or key that the database does not take
		}
		_, readErr := ReadHistory(path)
		h, err := OpenHistory(path, Limits{})
		if (err == nil) != (readErr == nil) || (err == nil) != (string(is) == fileForm) {
			t.Fatalf("opened: %v, read: %v, of the form %q", err, readErr, is)
		}
		if err != nil {
			return
		}
		h.Watch(Target{Name: name})
		now := time.Unix(1795728025, 0)
		h.Sweep(now)
		if _, err := json.Marshal(h.Items(now)); err != nil {
			t.Error(err)
		}
		h.Runs(name, 0, 1<<60)
		h.Spans(name, 0, 1<<60)
		h.Events("", 1<<62, 100)
		if err := h.Close(); err != nil {
			t.Errorf("it is not written again: %v", err)
		}
	})
}

// historyOf is the file of a history with this many runs of each of some records.
func historyOf(t testing.TB, runs int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history")
	h, err := OpenHistory(path, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.file.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{"a.example.com", "b.example.com", "c.example.com"} {
			b, err := tx.Bucket(runsBucket).CreateBucketIfNotExists([]byte(name))
			if err != nil {
				return err
			}
			for i := range runs {
				if err := b.Put(binary.BigEndian.AppendUint64(nil, uint64(i)), []byte(`{"over":true}`)); err != nil {
					return err
				}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// opened opens and reads a file in all ways. It fails only by ending the process.
func opened(t testing.TB, path string, data []byte) error {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, readErr := ReadHistory(path)
	h, err := OpenHistory(path, Limits{})
	if err == nil {
		h.Watch(Target{Name: "a.example.com"}, Target{Name: "b.example.com"})
		err = h.Close()
	}
	return errors.Join(err, readErr)
}

// TestDamagedFile: a file that is cut off is refused, in words, and one with an octet
// that is another is refused or read: neither ends the process, which bbolt would do.
func TestDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "damaged")
	for _, runs := range []int{0, 3, 400, 1500} {
		good := historyOf(t, runs)
		if err := opened(t, path, good); err != nil {
			t.Fatalf("%d runs: %v", runs, err)
		}
		sizes := []int{4096 * 3, 4096*3 + 100}
		if runs >= 400 { // else what is in use is less than half of the file
			sizes = append(sizes, len(good)/2)
		}
		for _, size := range sizes {
			if err := opened(t, path, good[:size]); !errors.Is(err, ErrDamaged) {
				t.Errorf("%d of %d bytes: %v, want ErrDamaged", size, len(good), err)
			}
		}
		r := rand.New(rand.NewPCG(1, uint64(runs)))
		for range 60 {
			bad := bytes.Clone(good)
			at := r.IntN(len(bad)/4096)*4096 + r.IntN(256)
			bad[at] ^= byte(1 + r.IntN(255))
			_ = opened(t, path, bad)
		}
	}
}

// FuzzDamagedFile is the same with anything in place of a page.
func FuzzDamagedFile(f *testing.F) {
	good := map[bool][]byte{false: historyOf(f, 3), true: historyOf(f, 400)}
	f.Add(false, uint(2), []byte{2, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0})
	f.Add(true, uint(5), []byte{5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 16, 0, 0, 0, 8, 0, 0, 0, 5, 0, 0, 0})
	f.Fuzz(func(t *testing.T, large bool, page uint, data []byte) {
		bad := bytes.Clone(good[large])
		copy(bad[int(page%uint(len(bad)/4096))*4096:], data)
		_ = opened(t, filepath.Join(t.TempDir(), "damaged"), bad)
	})
}
