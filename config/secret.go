package config

import "github.com/solotick/solotick/register"

// A Secret is a text that prints as "***", however it is printed, logged or
// marshalled.
type Secret = register.Secret

// NewSecret hides a text.
func NewSecret(text string) Secret { return register.NewSecret(text) }

// hidden stands in messages where a secret would.
const hidden = "***"
