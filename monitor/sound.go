package monitor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
)

// ErrDamaged says that the file of a history is not whole.
var ErrDamaged = errors.New("is damaged or cut off")

// What is known here of bbolt's file format.
const (
	dbMagic      = 0xED0CDAED
	dbVersion    = 2
	dbMetaSize   = 64
	dbHeader     = 16 // of a page; an element has as much
	dbBranch     = 1
	dbLeaf       = 2
	dbFreelist   = 16
	dbNoFreelist = ^uint64(0)
	dbMostPage   = 64 << 10
	dbMostDepth  = 64
)

var order = binary.NativeEndian

// sound walks through all pages of a database before bbolt maps it. What bbolt does
// where a page is not there, or points nowhere, is to panic in a goroutine of its own
// or to read beyond the file: both end the process, and nobody hears why. A file that
// is missing, empty or no database at all is left to bbolt, which has words for it.
func sound(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	w := walk{file: f, seen: map[uint64]bool{}}
	m, ok := w.meta()
	if !ok {
		return nil
	}
	if w.high = order.Uint64(m[40:]); w.high > uint64(info.Size())/w.size {
		return fmt.Errorf("%w: %d of %d bytes are there", ErrDamaged, info.Size(), w.high*w.size)
	}
	err = w.page(order.Uint64(m[16:]), nil, nil, 0)
	if list := order.Uint64(m[32:]); err == nil && list != dbNoFreelist {
		err = w.freelist(list)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

type walk struct {
	file *os.File
	size uint64 // of a page
	high uint64 // pages from here on are not in use
	seen map[uint64]bool
}

// meta is the newer of the two descriptions of the file that are whole. The second
// one begins with the second page, whatever its size.
func (w *walk) meta() (newest []byte, ok bool) {
	try := func(at uint64) {
		m := make([]byte, dbMetaSize)
		if _, err := w.file.ReadAt(m, int64(at)+dbHeader); err != nil {
			return
		}
		sum := fnv.New64a()
		sum.Write(m[:56])
		size := uint64(order.Uint32(m[8:]))
		switch {
		case order.Uint32(m) != dbMagic, order.Uint32(m[4:]) != dbVersion, order.Uint64(m[56:]) != sum.Sum64():
		case size < 512 || size > dbMostPage || at != 0 && at != size:
		case !ok || order.Uint64(m[48:]) > order.Uint64(newest[48:]):
			newest, ok, w.size = m, true, size
		}
	}
	try(0)
	for size := uint64(512); size <= dbMostPage; size *= 2 {
		try(size)
	}
	return newest, ok
}

func (w *walk) read(id uint64) ([]byte, error) {
	if id < 2 || id >= w.high || w.seen[id] {
		return nil, fmt.Errorf("page %d is none, or is used twice", id)
	}
	head := make([]byte, dbHeader)
	if _, err := w.file.ReadAt(head, int64(id*w.size)); err != nil {
		return nil, err
	}
	more := uint64(order.Uint32(head[12:]))
	if order.Uint64(head) != id || id+more >= w.high {
		return nil, fmt.Errorf("page %d is another", id)
	}
	for n := id; n <= id+more; n++ {
		w.seen[n] = true
	}
	p := make([]byte, (1+more)*w.size)
	_, err := w.file.ReadAt(p, int64(id*w.size))
	return p, err
}

// page checks a page and all below it. Its keys are from least on, and below most,
// if that is not nil.
func (w *walk) page(id uint64, least, most []byte, depth int) error {
	p, err := w.read(id)
	if err != nil {
		return err
	}
	return w.elements(p, id, least, most, depth)
}

func (w *walk) elements(p []byte, id uint64, least, most []byte, depth int) error {
	flags, n := order.Uint16(p[8:]), int(order.Uint16(p[10:]))
	if flags != dbBranch && flags != dbLeaf || depth > dbMostDepth || dbHeader+n*dbHeader > len(p) || flags == dbBranch && n == 0 {
		return fmt.Errorf("page %d is of no kind that can be here", id)
	}
	keys := make([][]byte, n)
	for i := range n {
		e := p[dbHeader+i*dbHeader:]
		at, size := uint64(order.Uint32(e)), uint64(order.Uint32(e[4:]))
		var value uint64
		if flags == dbLeaf {
			at, size, value = size, uint64(order.Uint32(e[8:])), uint64(order.Uint32(e[12:]))
		}
		if at+size+value > uint64(len(e)) {
			return fmt.Errorf("an element of page %d is beyond its end", id)
		}
		keys[i] = e[at : at+size]
		if i > 0 && bytes.Compare(keys[i-1], keys[i]) >= 0 || i == 0 && bytes.Compare(least, keys[i]) > 0 || most != nil && bytes.Compare(keys[i], most) >= 0 {
			return fmt.Errorf("the keys of page %d are out of order", id)
		}
		if flags == dbLeaf && order.Uint32(e)&1 != 0 {
			if err := w.bucket(e[at+size:at+size+value], id, depth); err != nil {
				return err
			}
		}
	}
	if flags == dbLeaf {
		return nil
	}
	for i, key := range keys {
		below := most
		if i+1 < n {
			below = keys[i+1]
		}
		if err := w.page(order.Uint64(p[dbHeader+i*dbHeader+8:]), key, below, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// bucket checks what is below a name: a page, or, if that is small, what stands there
// itself.
func (w *walk) bucket(value []byte, id uint64, depth int) error {
	switch {
	case len(value) < 16:
		return fmt.Errorf("a bucket in page %d is cut off", id)
	case order.Uint64(value) != 0:
		return w.page(order.Uint64(value), nil, nil, depth+1)
	case len(value) < 16+dbHeader || order.Uint16(value[16+8:]) != dbLeaf:
		return fmt.Errorf("a bucket in page %d is cut off", id)
	}
	return w.elements(value[16:], id, nil, nil, depth+1)
}

// freelist checks the list of pages that are free.
func (w *walk) freelist(id uint64) error {
	p, err := w.read(id)
	if err != nil {
		return err
	}
	n, at := uint64(order.Uint16(p[10:])), dbHeader
	if n == 0xFFFF {
		n, at = order.Uint64(p[at:]), at+8
	}
	if order.Uint16(p[8:]) != dbFreelist || n > uint64(len(p)-at)/8 {
		return fmt.Errorf("page %d is no list of free pages", id)
	}
	for i := range int(n) {
		if free := order.Uint64(p[at+8*i:]); free < 2 || free >= w.high || w.seen[free] {
			return fmt.Errorf("page %d is free and in use", free)
		}
	}
	return nil
}
