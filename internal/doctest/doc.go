// Package doctest holds tests alone: every block of code in the pages for people
// is run, or checked by what it is for.
//
// What is done with a block follows from its language and from the marks before
// it, which CONTRIBUTING.md describes. Commands are run as they stand, by a page's
// own machine: the files, the processes and the network of the real one, of which
// nothing that is done there remains. A name server at 192.0.2.53 has the zone
// example.com, and a web server answers for every other name in the world.
//
// A block that no rule fits is a failure, and so is a mark without a reason. There
// is nothing here for other packages.
package doctest
