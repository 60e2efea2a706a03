// Package containertest holds tests of the built program in what an image from scratch
// gives it: a read-only root with the program and certificates and nothing else, a
// number for a user, no shell, no /tmp, and the number 1 among the processes.
//
// There is no container engine in them: the test makes the namespaces itself, as root
// or in a user namespace. A machine that allows neither cannot run them, and they fail.
package containertest
