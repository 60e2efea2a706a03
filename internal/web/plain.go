package web

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"unicode"
)

var (
	errHungUp = errors.New("the connection was closed before the end of the answer") // EOF, to net/http
	errNoTLS  = errors.New("the server speaks no TLS at this port")
)

// plain returns an error of net/http without what that quotes: URLs, and lines of
// an answer, in which anything may be repeated.
func plain(err error) error {
	var (
		op   *net.OpError
		name *net.DNSError
		cert *tls.CertificateVerificationError
		head tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &head): // it may be in an OpError, and has what it was given
		return errNoTLS
	case errors.As(err, &op):
		return op
	case errors.As(err, &name):
		return name
	case errors.As(err, &cert):
		return cert
	case errors.Is(err, ErrRefusedAddress):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errHungUp
	}
	text := err.Error()
	if i := strings.IndexFunc(text, func(r rune) bool { return r == '"' || r == '`' || !unicode.IsPrint(r) }); i >= 0 {
		text = strings.TrimRight(text[:i], " :=[({")
	}
	return errors.New(text)
}
