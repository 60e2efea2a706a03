//go:build !linux

package e2e

import "errors"

var errOther = errors.New("only Linux has it")

func (m *trial) tmpfs(string) (string, error) { return "", errOther }

func (m *trial) cgroup(_, _, _, _ string) (string, error) { return "", errOther }
