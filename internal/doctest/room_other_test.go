//go:build !linux

package doctest

import (
	"errors"
	"syscall"
)

func apart() *syscall.SysProcAttr { return nil }

// enter fails: what pages tell people to type must not happen on this machine.
func enter(*scene) error { return errors.New("only Linux can have a machine within a machine") }
