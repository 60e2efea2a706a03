package web

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// TLS makes the configuration of a client from PEM texts, each of which may be
// empty: the only authorities that are believed (empty: the system's), and a
// client certificate with its key. serverName is the name that the server must
// prove, where it is not the URL's host. insecure believes any server, and so
// protects from nobody who can change traffic.
//
// No error quotes any of the texts.
func TLS(ca, cert, key []byte, serverName string, insecure bool) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: serverName, InsecureSkipVerify: insecure}
	if len(ca) > 0 {
		roots, err := authorities(ca)
		if err != nil {
			return nil, fmt.Errorf("the certificate authority: %w", err)
		}
		c.RootCAs = roots
	}
	switch {
	case len(cert) == 0 && len(key) == 0:
		return c, nil
	case len(key) == 0:
		return nil, errors.New("the client certificate has no key")
	case len(cert) == 0:
		return nil, errors.New("the key of a client certificate has no certificate")
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("the client certificate: %w", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// authorities reads certificates, and unlike x509.CertPool passes over none that
// is damaged.
func authorities(text []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	for n := 1; ; n++ {
		block, rest := pem.Decode(text)
		switch {
		case block == nil && n == 1:
			return nil, errors.New("no certificate in PEM form")
		case block == nil && bytes.Contains(text, []byte("-----BEGIN")):
			return nil, fmt.Errorf("block %d is damaged", n)
		case block == nil:
			return pool, nil
		case block.Type != "CERTIFICATE":
			return nil, fmt.Errorf("block %d is no certificate", n)
		}
		parsed, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("block %d: %w", n, err)
		}
		pool.AddCert(parsed)
		text = rest
	}
}
