package cloudtest

import (
	"crypto/rand"
	"crypto/rsa"
	"sync"
)

// testKey is the key of every account in this process. It is a small one: it is used
// for each request, and guards nothing.
var testKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 1024) })
