package monitor

import (
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// ReadHistory returns what the file of a history holds, of all its records, and
// leaves the file as it is. It fails where another process has the file open.
func ReadHistory(path string) (*History, error) {
	if err := sound(path); err != nil {
		return nil, fmt.Errorf("monitor: history %s: %w", path, err)
	}
	db, err := bbolt.Open(path, 0, &bbolt.Options{Timeout: time.Second, ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("monitor: history %s: %w", path, opening(err))
	}
	var targets []Target
	err = db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(form)
		if b == nil {
			return ErrNoHistory
		}
		if err := knownForm(b.Get(form)); err != nil {
			return err
		}
		for _, bucket := range [][]byte{runsBucket, eventsBucket, spansBucket} {
			b := tx.Bucket(bucket)
			if b == nil {
				return ErrNoHistory
			}
			_ = b.ForEachBucket(func(name []byte) error {
				targets = append(targets, Target{Name: string(name)})
				return nil
			})
		}
		return nil
	})
	h := NewHistory(Limits{})
	if err == nil {
		h.file = &file{db: db}
		h.Watch(targets...)
		h.file = nil
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, fmt.Errorf("monitor: history %s: %w", path, err)
	}
	return h, nil
}
