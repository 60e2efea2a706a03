// Mermaid itself, as one file of JavaScript that this module of somebody else carries,
// for the test of diagrams in the docs. Nothing of it is built.
module github.com/solotick/solotick/tools/mermaid

go 1.26.0

require github.com/dreampuf/mermaid.go v0.0.28
