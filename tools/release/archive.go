package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A file is one file of an archive or a package.
type file struct {
	name string // in an archive, with slashes
	text []byte
	mode fs.FileMode
}

func sortFiles(all []file) {
	slices.SortFunc(all, func(a, b file) int { return cmp.Compare(a.name, b.name) })
}

// archive writes a zip for Windows, and a tar.gz for all else. All of it is in one
// folder.
func (e *edition) archive(t target, out string, all []file) error {
	all = slices.Clone(all)
	for i := range all {
		all[i].name = e.name(t) + "/" + all[i].name
	}
	sortFiles(all)
	var b bytes.Buffer
	pack, ending := e.tar, ".tar.gz"
	if t.os == "windows" {
		pack, ending = e.zip, ".zip"
	}
	if err := pack(&b, all); err != nil {
		return err
	}
	return write(filepath.Join(out, e.name(t)+ending), b.Bytes())
}

func (e *edition) tar(w io.Writer, all []file) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	a := tar.NewWriter(z)
	for _, f := range all {
		h := &tar.Header{
			Typeflag: tar.TypeReg, Name: f.name, Size: int64(len(f.text)), Mode: int64(f.mode), ModTime: e.time,
			Uname: "root", Gname: "root", Format: tar.FormatUSTAR,
		}
		if err := a.WriteHeader(h); err != nil {
			return err
		}
		if _, err := a.Write(f.text); err != nil {
			return err
		}
	}
	if err := a.Close(); err != nil {
		return err
	}
	return z.Close()
}

func (e *edition) zip(w io.Writer, all []file) error {
	a := zip.NewWriter(w)
	for _, f := range all {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: e.time}
		h.SetMode(f.mode)
		fw, err := a.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := fw.Write(f.text); err != nil {
			return err
		}
	}
	return a.Close()
}

// compressed is a file as gzip -n -9 would leave it.
func compressed(text []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	err = z.Close()
	return b.Bytes(), err
}

// checksums writes SHA256SUMS of all files, for sha256sum -c.
func checksums(out string) error {
	entries, err := os.ReadDir(out) // sorted
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(out, entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(text), entry.Name())
	}
	return write(filepath.Join(out, "SHA256SUMS"), []byte(b.String()))
}
