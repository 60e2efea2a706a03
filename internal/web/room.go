package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/semaphore"
)

// ErrNoRoom says that there was no room for an answer.
var ErrNoRoom = errors.New("the answers of all jobs from elsewhere take more memory than they may")

// roomPatience is how long an answer waits for others to go.
const roomPatience = 30 * time.Second

// A Room is memory that the answers to several clients share. A nil Room has no
// bounds.
type Room struct {
	size int64
	left *semaphore.Weighted
}

// NewRoom makes a room of so many bytes.
func NewRoom(size int64) *Room { return &Room{size, semaphore.NewWeighted(size)} }

// Take takes so many bytes, and waits a while for others to give them back. The
// error is [ErrNoRoom], or the context's.
func (r *Room) Take(ctx context.Context, n int64) error {
	if r == nil || n == 0 {
		return nil
	}
	if n > r.size {
		return fmt.Errorf("%w (%d MiB)", ErrNoRoom, r.size>>20)
	}
	patient, cancel := context.WithTimeout(ctx, roomPatience)
	defer cancel()
	if r.left.Acquire(patient, n) == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return fmt.Errorf("%w (%d MiB)", ErrNoRoom, r.size>>20)
}

// Give gives back what was taken.
func (r *Room) Give(n int64) {
	if r != nil && n > 0 {
		r.left.Release(n)
	}
}

// A roomReader takes room for what it reads: for a byte twice, since who reads it
// all has it in a buffer that grows.
type roomReader struct {
	ctx   context.Context
	r     io.Reader
	room  *Room
	taken int64
}

func (r *roomReader) Read(p []byte) (int, error) {
	p = p[:min(len(p), 64<<10)]
	if r.room == nil {
		return r.r.Read(p)
	}
	n, err := r.r.Read(p)
	if n == 0 {
		return n, err
	}
	if no := r.room.Take(r.ctx, 2*int64(n)); no != nil {
		return 0, no
	}
	r.taken += 2 * int64(n)
	return n, err
}
