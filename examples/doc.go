// Package examples holds files to begin with, and tests of them and of those that
// the documentation shows.
package examples
