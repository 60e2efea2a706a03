package steps

import (
	"context"
	"net/http"

	"github.com/solotick/solotick/internal/web"
)

// A held is what a run has taken of a room: its answers are there until its end.
type held struct {
	room *web.Room
	n    int64
}

func (h *held) add(room *web.Room, n int64) {
	h.room = room // all requests of a plan have one
	h.n += n
}

func (h *held) take(ctx context.Context, room *web.Room, n int64) error {
	if err := room.Take(ctx, n); err != nil {
		return err
	}
	h.add(room, n)
	return nil
}

// request takes what a request takes.
func (h *held) request(ctx context.Context, room *web.Room, r web.Request) error {
	if room == nil {
		return nil
	}
	return h.take(ctx, room, int64(len(r.URL)+len(r.Body))+sizeOfHeader(r.Header))
}

// answer takes what an answer takes, beside its body, as values.
func (h *held) answer(ctx context.Context, room *web.Room, header http.Header, text string) error {
	if room == nil {
		return nil
	}
	n := sizeOfHeader(header)
	if mayBeJSON(text) {
		n += sizeAsJSON(text)
	}
	return h.take(ctx, room, n)
}

func sizeOfHeader(header http.Header) int64 {
	n := 0
	for name, values := range header {
		for _, v := range values {
			n += len(name) + len(v) + 100
		}
	}
	return int64(n)
}

func (h *held) give() { h.room.Give(h.n) }

// sizeAsJSON is about what the value of a text of JSON takes in memory, and at
// times a hundred bytes for each of the text: a list grows by the half, and a map
// has room for eight members from the first on.
func sizeAsJSON(text string) int64 {
	n := int64(len(text))
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case ',':
			n += 48
		case '[':
			n += 48
		case '{':
			n += 350
		case ':':
			n += 64
		}
	}
	return n
}
