package zone

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
)

// verifyFile walks a bbolt file (format version 2) without mapping it. bbolt trusts its pages: a damaged one makes it panic in
// goroutines of its own, or read past the file's end, which nothing can turn into an error; an empty file it takes for a new
// database, and one bad header of two for the state before the last commit. A header is far smaller than a sector and so
// never half written by a crash. What the pages say is checked by load.
func verifyFile(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	im := image{b: b, seen: map[uint64]bool{}}
	var txid, root uint64
	for i := range 2 {
		at := i * im.pageSize
		if at+pageHeader+metaSize > len(b) {
			return errors.New("the file ends within its header")
		}
		meta := b[at+pageHeader:][:metaSize]
		h := fnv.New64a()
		h.Write(meta[:56])
		if native.Uint32(meta) != 0xED0CDAED || native.Uint32(meta[4:]) != 2 || native.Uint64(meta[56:]) != h.Sum64() {
			return fmt.Errorf("header page %d fails its checksum", i)
		}
		im.pageSize = int(native.Uint32(meta[8:]))
		if id := native.Uint64(meta[48:]); i == 0 || id > txid {
			txid, root, im.pages = id, native.Uint64(meta[16:]), native.Uint64(meta[40:])
		}
	}
	if im.pages > uint64(len(b)/im.pageSize) {
		return fmt.Errorf("the file has %d pages of the %d that its header tells of", len(b)/im.pageSize, im.pages)
	}
	return im.tree(root, nil, nil)
}

var native = binary.NativeEndian

const (
	pageHeader = 16
	metaSize   = 64
	branchPage = 1
	leafPage   = 2
)

type image struct {
	b        []byte
	pageSize int
	pages    uint64
	seen     map[uint64]bool
}

// tree walks the page id and what is below it. All keys must lie in [low, high); a nil high is no bound.
func (im *image) tree(id uint64, low, high []byte) error {
	if id < 2 || id >= im.pages {
		return fmt.Errorf("page %d does not exist", id)
	}
	p := im.b[int(id)*im.pageSize:]
	last := id + uint64(native.Uint32(p[12:]))
	if native.Uint64(p) != id || last >= im.pages {
		return fmt.Errorf("page %d is another page", id)
	}
	for i := id; i <= last; i++ {
		if im.seen[i] {
			return fmt.Errorf("page %d is in two places", i)
		}
		im.seen[i] = true
	}
	return im.elements(p[:int(last-id+1)*im.pageSize], id, low, high)
}

// elements walks the entries of a page, which lies in a bucket's value if id is 0.
func (im *image) elements(p []byte, id uint64, low, high []byte) error {
	bad := fmt.Errorf("page %d does not read", id)
	kind, count := native.Uint16(p[8:]), int(native.Uint16(p[10:]))
	if kind != branchPage && kind != leafPage || pageHeader+16*count > len(p) || kind == branchPage && (count == 0 || id == 0) {
		return bad
	}
	// A branch has position, key size, page; a leaf flags, position, key size, value size.
	keyAt := func(i int) (key, value []byte) {
		e := p[pageHeader+16*i:]
		pos, ksize, vsize := uint64(native.Uint32(e)), uint64(native.Uint32(e[4:])), uint64(0)
		if kind == leafPage {
			pos, ksize, vsize = uint64(native.Uint32(e[4:])), uint64(native.Uint32(e[8:])), uint64(native.Uint32(e[12:]))
		}
		if pos+ksize+vsize > uint64(len(e)) || ksize == 0 {
			return nil, nil
		}
		return e[pos : pos+ksize], e[pos+ksize : pos+ksize+vsize]
	}
	for i := range count {
		key, value := keyAt(i)
		if key == nil || bytes.Compare(key, low) < 0 || high != nil && bytes.Compare(key, high) >= 0 {
			return bad
		}
		e := p[pageHeader+16*i:]
		low = append(bytes.Clone(key), 0) // the least key after this one
		switch {
		case kind == branchPage:
			next := high
			if i+1 < count {
				if next, _ = keyAt(i + 1); next == nil {
					return bad
				}
			}
			if err := im.tree(native.Uint64(e[8:]), key, next); err != nil {
				return err
			}
		case native.Uint32(e) == 1: // a bucket: the page of its root, or 0 and the page itself
			if len(value) < pageHeader {
				return bad
			}
			if root := native.Uint64(value); root != 0 {
				if err := im.tree(root, nil, nil); err != nil {
					return err
				}
			} else if value = value[16:]; len(value) < pageHeader {
				return bad
			} else if err := im.elements(value, 0, nil, nil); err != nil {
				return err
			}
		case native.Uint32(e) != 0:
			return bad
		}
	}
	return nil
}
