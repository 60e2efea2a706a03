package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/solotick/solotick/seal"
)

// Plain is a text as JSON has it: what an editor gives to a schema. What YAML has
// and JSON has not is an error.
func Plain(text []byte) (any, error) {
	w := newWalker("f", text)
	root := w.document(text)
	if root == nil || len(w.mistakes) > 0 {
		return nil, w.mistakes
	}
	budget := 100_000 // aliases can be nested without end
	return plain(root, &budget)
}

func plain(n *yaml.Node, budget *int) (any, error) {
	if *budget--; *budget < 0 {
		return nil, errors.New("too large")
	}
	n = follow(n)
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any)
		for i := 0; i < len(n.Content); i += 2 {
			k := follow(n.Content[i])
			if _, twice := m[k.Value]; twice || k.Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("line %d: a key that JSON cannot have", k.Line)
			}
			v, err := plain(n.Content[i+1], budget)
			if err != nil {
				return nil, err
			}
			m[k.Value] = v
		}
		return m, nil
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			v, err := plain(c, budget)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		return strconv.ParseBool(n.Value)
	case "!!int":
		return strconv.ParseInt(n.Value, 0, 64)
	case "!!float":
		return strconv.ParseFloat(n.Value, 64)
	}
	return n.Value, nil
}

// Certificate makes a certificate and its key, in PEM.
func Certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

// Keys for tests.
var (
	SealKey2  = seal.NewKey([32]byte{3})
	SealKey   = seal.NewKey([32]byte{1})
	SignKey   = seal.NewSigningKey([32]byte{2})
	VerifyKey = SignKey.Public()
)
